"""What a ledger knows passes to have been sent last, whichever campaign it was."""

import pytest

from campaign.domain.model import StagedRow
from campaign.domain.status import Status
from campaign.ledger.port import Ledger, LedgerReader
from tests.contract.given import campaign_of, ends, staged

HERE = "https://api.example"
PASSES = ["a", "b", "c"]


async def sent(ledger: Ledger, name: str, *rows: StagedRow, status: Status = Status.DELIVERED, api: str = HERE) -> None:
    """A campaign whose rows have all ended so."""
    record = await campaign_of(ledger, *rows, name=name)
    runner = await ledger.register_runner(record.id, quiet_seconds=1.0, api=api)
    claims = await ledger.claim(runner, 10)
    assert len(claims) == len(rows)
    await ledger.settle(runner, [ends(claim, status, due_in_seconds=None) for claim in claims])
    await ledger.deregister_runner(runner, "finished")


async def test_the_latest_campaign_counts(ledger: Ledger, reader: LedgerReader) -> None:
    assert reader.last_texts(PASSES, api=HERE) == {}
    await sent(ledger, "first", staged(1, "a", message="One"), staged(2, "b", message="Two"))
    await sent(ledger, "second", staged(1, "a", message="Three"))
    assert reader.last_texts(PASSES, api=HERE) == {"a": "Three", "b": "Two"}
    assert reader.last_texts(["b"], api=HERE) == {"b": "Two"}
    assert reader.last_texts([], api=HERE) == {}


@pytest.mark.parametrize(
    ("status", "known"), [(Status.DELIVERED, True), (Status.NOT_DELIVERED, True), (Status.UNKNOWN, True), (Status.FAILED, False)]
)
async def test_what_a_pass_holds_or_may_hold(ledger: Ledger, reader: LedgerReader, status: Status, known: bool) -> None:  # noqa: FBT001 - a table's column
    await sent(ledger, "first", staged(1, "a", message="One"), status=status)
    assert reader.last_texts(PASSES, api=HERE) == ({"a": "One"} if known else {})


async def test_a_pass_of_another_api_is_another(ledger: Ledger, reader: LedgerReader) -> None:
    await sent(ledger, "first", staged(1, "a", message="One"))
    await sent(ledger, "second", staged(1, "a", message="Two"), api="https://another.example")
    assert reader.last_texts(PASSES, api=HERE) == {"a": "One"}


async def test_keys_of_any_kind(ledger: Ledger, reader: LedgerReader) -> None:
    odd = ['it\'s "quoted"', "a/b?c#d", "ünï\u2028", "\\", "[1]"]
    await sent(ledger, "first", *(staged(row, key, message=f"To {key}") for row, key in enumerate(odd, 1)))
    assert reader.last_texts(odd, api=HERE) == {key: f"To {key}" for key in odd}
