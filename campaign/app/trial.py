"""`test`: one row's message to one's own pass, as a campaign of its own."""

import time
from dataclasses import replace

from campaign.app.runs import Finished, Front, looked_through, session
from campaign.app.sending import check_access, find
from campaign.domain.errors import UsageError
from campaign.domain.model import Status
from campaign.loader.columns import check_pass_id, pass_key
from campaign.settings import Settings


async def send_test(source: str, to: str, row: int | None, settings: Settings, front: Front) -> Finished:
    """Send the message of one row of the list to one's own pass.

    Args:
        source: the list.
        to: the pass.
        row: which row's message; None takes the first that has one.
        settings: as for `run_list`.
        front: (same)

    Raises:
        UsageError: that is no pass id, or the row has no message.
    """
    stop = front.listen()
    check_access(settings)
    pass_id, problem, sentence = check_pass_id(to)
    if problem is not None:
        raise UsageError(f"--to: {sentence}")
    async with looked_through(source, settings, stop) as given:
        batches = given.stager().batches(given.table, given.table.columns)
        wanted = (found for batch in batches for found in batch if (found.row == row if row else found.outcome.status is Status.PENDING))
        chosen = next(wanted, None)
        if chosen is None or not chosen.message:
            why = chosen.outcome.error if chosen is not None else "there is no such row"
            raise UsageError(f"{source} has no message to test with: {why}.")
        name = f"{given.spec.name} test {time.strftime('%Y-%m-%d %H:%M:%S')}"
        spec = replace(given.spec, name=name, settings={"results": "", "rate": "9"})
        staged = replace(chosen, row=1, pass_id=pass_id, pass_key=pass_key(pass_id))
        async with session(settings, front, stop) as work:
            record = await work.ledger.create(spec)
            await work.ledger.stage(record.id, [staged])
            await work.ledger.finish_staging(record.id, content_sha256="")
            record = find(work.reader, name)
            work.ask(record, 1, frozenset({Status.PENDING}))
            return await work.send(record, None)
