"""Delivery rates and comparisons, asked of every ledger backend."""

from dataclasses import replace

from campaign.cli.screen.stats_table import Line, lines_of
from campaign.domain.model import Counts, Settlement
from campaign.domain.status import SENT_TO, Status
from campaign.domain.text.reasons import reason_in_words
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, DesiredState, Ledger, LedgerReader
from campaign.reporter.comparison import Comparison, rates
from campaign.reporter.figures import figures
from tests.contract.backends import HandClock
from tests.contract.given import campaign_of, ends, spec, staged

BEGIN = 1_800_000_000.0


async def sent(
    ledger: Ledger, reader: LedgerReader, clock: HandClock, name: str, *outcomes: Status, seconds: float = 0.5
) -> CampaignRecord:
    """A campaign of so many rows and two more, which are left unsent; its runner ends ten seconds after it began."""
    rows = [staged(row, f"{name}-{row}") for row in range(1, len(outcomes) + 3)]
    record = await campaign_of(ledger, *rows, name=name)
    runner = await ledger.register_runner(record.id, quiet_seconds=10, account="token")
    claims = await ledger.claim(runner, len(outcomes))

    def settled(settlement: Settlement) -> Settlement:
        at = clock.wall() + 10.0 * claims.index(settlement.claim) / len(claims)
        outcome = replace(settlement.outcome, sent_at=at, latency_seconds=seconds)
        return replace(settlement, outcome=outcome, due_in_seconds=None)

    await ledger.settle(
        runner,
        [
            settled(ends(claim, status, reason="http_404" if status is Status.FAILED else ""))
            for claim, status in zip(claims, outcomes, strict=True)
        ],
    )
    clock.advance(10.0)
    await ledger.deregister_runner(runner, "limit")
    found = reader.campaign(name)
    assert found is not None
    return found


def test_the_rate_is_of_the_rows_that_a_message_was_sent_to() -> None:
    counts = Counts(by_status={status: place for place, status in enumerate(Status, start=1)})
    assert {Status.PENDING, Status.SENDING, Status.SKIPPED, Status.INVALID} == set(Status) - SENT_TO
    assert counts.sent_to == sum(counts.by_status[status] for status in SENT_TO)
    assert counts.delivery_rate == counts.by_status[Status.DELIVERED] / counts.sent_to
    assert Counts(by_status=dict.fromkeys(Status, 0) | {Status.PENDING: 3}).delivery_rate is None


async def test_campaigns_come_oldest_first_with_all_of_them_together(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    await sent(ledger, reader, clock, "first", *[Status.DELIVERED] * 3, Status.FAILED)
    await campaign_of(ledger, staged(1, "x"), name="never sent")
    await sent(ledger, reader, clock, "second", Status.DELIVERED, Status.NOT_DELIVERED, Status.UNKNOWN, Status.FAILED)
    await sent(ledger, reader, clock, "third")
    found = rates(reader)
    told = [(one.record.spec.name, one.counts.rows, one.counts.sent_to, one.counts.delivery_rate) for one in found.campaigns]
    assert told == [("first", 6, 4, 0.75), ("second", 6, 4, 0.25), ("third", 2, 0, None)]
    assert found.unsent == 1
    assert (found.total.rows, found.total.sent_to, found.total.delivery_rate) == (14, 8, 0.5)
    assert found.as_json()["total"] == {"rows": 14, "sent_to": 8, "delivered": 4, "delivery_rate": 0.5}
    assert found.as_json()["campaigns"][0]["started_at"] == "2027-01-15T08:00:00.000Z"
    # Each began ten seconds after the one before.
    assert [one.record.spec.name for one in rates(reader, since=BEGIN + 10, until=BEGIN + 20).campaigns] == ["second"]


async def test_what_is_forgotten_keeps_its_rate(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    record = await sent(ledger, reader, clock, "first", *[Status.DELIVERED] * 3, Status.FAILED)
    other = await sent(ledger, reader, clock, "second", Status.NOT_DELIVERED)
    await ledger.set_desired_state(record.id, DesiredState.CANCELLED)
    clock.advance(86_401.0)
    before = rates(reader).as_json()
    await ledger.purge(record.id)
    assert rates(reader).as_json() == before
    first, second = (next(one for one in reader.campaigns() if one.id == which.id) for which in (record, other))
    found = Comparison(both=(figures(reader, view(reader, first)), figures(reader, view(reader, second))))
    told = {line.what: line.values for line in lines_of(found)}
    assert (told["Delivered"], told["Delivery rate"]) == (("3 (50.0 %)", "0 (0 %)"), ("75.0 %", "0 %"))
    # Its counts are all that is left of it.
    assert (told["Sends"], told["Slowest answer"], told["Text"]) == (("-", "1"), ("-", "500 ms"), ("-", "Hello"))


async def test_two_campaigns_stand_side_by_side_figure_by_figure(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    one = await sent(ledger, reader, clock, "one", *[Status.DELIVERED] * 3, Status.FAILED, seconds=0.25)
    other = await sent(ledger, reader, clock, "other", Status.DELIVERED, Status.UNKNOWN, seconds=1.0)
    found = Comparison(both=(figures(reader, view(reader, one), now=clock.wall()), figures(reader, view(reader, other), now=clock.wall())))
    told = {line.what: line.values for line in lines_of(found) if not line.heading}
    assert (
        told
        | {
            "State": ("stopped", "stopped"),
            "Rows": ("6", "4"),
            "Sent to": ("4", "2"),
            "Delivery rate": ("75.0 %", "50.0 %"),
            "Delivered": ("3 (50.0 %)", "1 (25.0 %)"),
            "Failed": ("1 (16.7 %)", "0 (0 %)"),
            "Unknown": ("0 (0 %)", "1 (25.0 %)"),
            "Not sent yet": ("2 (33.3 %)", "2 (50.0 %)"),
            reason_in_words("http_404"): ("1 (16.7 %)", "0 (0 %)"),
            "Time at work": ("10 s", "10 s"),
            "Sends": ("4", "2"),
            "Sends a second": ("0.4", "0.2"),
            "50 in 100 answered within": ("250 ms", "1,000 ms"),
            "Slowest answer": ("250 ms", "1,000 ms"),
            "Text": ("Hello", "Hello"),
            "None": ("", ""),
        }
        == told
    )
    assert [line for line in lines_of(found) if line.what == "Skipped"] == []
    assert found.different == {}
    told_json = found.as_json()
    assert [side["delivery_rate"] for side in told_json["campaigns"]] == [0.75, 0.5]
    assert told_json["campaigns"][0]["by_reason"]["failed"] == {"http_404": 1}
    assert told_json["campaigns"][1]["latency_ms"] == dict.fromkeys(("50", "90", "99", "100"), 1000)


async def test_settings_that_are_the_same_are_left_out(ledger: Ledger, reader: LedgerReader, clock: HandClock) -> None:
    records = []
    for name, settings in (("one", {"rate": "9", "results": "a", "halt": "5"}), ("other", {"rate": "20", "results": "b", "halt": "5"})):
        record = await ledger.create(replace(spec(name), settings=settings))
        await ledger.stage(record.id, [staged(1)])
        await ledger.finish_staging(record.id, content_sha256="c")
        records.append(record)
    both = [figures(reader, view(reader, record), now=clock.wall()) for record in records]
    found = Comparison(both=(both[0], both[1]))
    assert found.different == {"rate": ("9", "20")}
    assert Line(what="Rate", values=("9", "20")) in list(lines_of(found))
    assert {line.what: line.values for line in lines_of(found)}["Delivery rate"] == ("-", "-")
    assert found.as_json()["settings_that_differ"] == {"rate": ["9", "20"]}
