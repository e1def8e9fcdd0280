"""The function that sends for a command, by the engine in the settings."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from campaign.app.sending.batches import check_batch_settings
from campaign.app.sending.send import send
from campaign.app.session import Sender
from campaign.engine.protocol import order_of
from campaign.engine.supervisor import Supervisor, Work
from campaign.ledger.port import CampaignRecord, Ledger, LedgerReader
from campaign.sender.port import Observer
from campaign.sender.stop import End, StopReason, StopRequest
from campaign.settings import Engine, Settings


@contextmanager
def sender_of(settings: Settings) -> Iterator[Sender]:
    """The sender for these settings. Enter it before the event loop. Raises UsageError if the engine can't be used."""
    if settings.engine is Engine.HERE:
        yield send
        return
    # A cluster takes many seconds to start.
    check_batch_settings(settings)
    from campaign.engine.cluster import connected  # noqa: PLC0415 - only where it is wanted

    with connected(settings) as cluster:

        async def send_by_many(
            record: CampaignRecord,
            ledger: Ledger,
            reader: LedgerReader,
            settings: Settings,
            *,
            observer: Observer,
            stop: StopRequest,
            fresh_canary: bool = False,  # noqa: ARG001 - there are no canaries with this engine
            begin: Callable[[], Awaitable[None]],
        ) -> End:
            await ledger.reap_dead_runners(quiet_seconds=settings.quiet_period)
            if reader.pending_work(record.id).finished:
                return End(ended=StopReason.FINISHED)
            work = Work(record=record, reader=reader, observer=observer, stop=stop, begin=begin)
            return await Supervisor(cluster, order_of(record, settings), workers=settings.workers, work=work).run()

        yield send_by_many
