"""A campaign to which everything has happened, at fixed times: rows of every status, retries, pauses, cells that spreadsheets would run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from campaign.domain.model import Claim, Outcome, Settlement, StagedRow
from campaign.domain.status import Status
from campaign.domain.verdict import Resolution
from campaign.ledger.port import CampaignRecord, Ledger, LedgerReader, Runner
from tests.contract.backends import HandClock
from tests.contract.given import ends, spec, staged

COLUMNS = ("id", "name", "region", "note")
ROWS = 76
_REGIONS = ("north", "south", "", "=cmd|'x'", "east", "north", "west", "north")
_NOTES = (
    *("=1+1", "+49 170", "-5", "@home", "'quoted", "'=quoted formula", "\t=1+1", "＝1+1", "a;b", "a,b", 'say "hi", please', '"'),  # noqa: RUF001
    *(
        "two\nlines",
        "two\r\nlines",
        "old\rMac",
        "0049170",
        "1.0",
        "1E5",
        "",
        " blanks ",
        "Zoë Łukasz 李 👩‍👩‍👧 e\u0301",
        "\ufeffmark",
        "\xa0=1",
    ),
)
_STAGED = tuple(status for status in Status if status is not Status.SENDING)
_SETTLED = (
    *((Status.DELIVERED, "", 200), (Status.NOT_DELIVERED, "notDelivered", 200), (Status.FAILED, "http_404", 404)),
    *((Status.PENDING, "http_429", 429), (Status.UNKNOWN, "timeout", None), (Status.DELIVERED, "", 200)),
    *((Status.PENDING, "connect", None), (Status.FAILED, "http_422", 422), (Status.UNKNOWN, "http_502", 502)),
)


@dataclass(frozen=True, kw_only=True)
class Given:
    ledger: Ledger
    clock: HandClock
    record: CampaignRecord

    async def settle(self, runner: Runner, claims: Sequence[Claim], *, shift: int) -> None:
        """How each claim ends goes by its row; a second passes from one to the next."""
        for claim in claims:
            await self.ledger.settle(runner, [self._settlement(claim, *_SETTLED[(claim.row + shift) % len(_SETTLED)])])
            self.clock.advance(1.0)

    def _settlement(self, claim: Claim, status: Status, reason: str, http_status: int | None) -> Settlement:
        answered = http_status == 200
        seconds = 0.0404 * (claim.row % 7 + 1) ** 2 + claim.row / 7000
        outcome = Outcome(
            status=status,
            reason=reason,
            notification_status=("delivered" if status is Status.DELIVERED else "notDelivered") if answered else "",
            notification_message="Delivered succesfully" if status is Status.DELIVERED else "-No device" if answered else "",
            http_status=http_status,
            error="" if answered else f'{{"errors": ["{reason}, \0row {claim.row}"]}}',
            attempts=claim.attempts + (http_status != 429),
            sent_at=self.clock.wall() - seconds,
            settled_at=self.clock.wall(),
            latency_seconds=seconds if http_status else None,
            pass_status=("active", "uninstalled", "")[claim.row % 3] if answered else "",
            device_type=("iPhone", "Android", "=device")[claim.row % 4 % 3] if answered else "",
        )
        return replace(ends(claim, status), outcome=outcome, due_in_seconds=None if reason == "http_502" else 0.0)


def _rows() -> Iterator[StagedRow]:
    """The first of them as a results file has them; all others are to be sent."""
    for number in range(1, ROWS + 1):
        cells = (f"pass-{number:03}", f"Name {number}", _REGIONS[number % len(_REGIONS)], _NOTES[number % len(_NOTES)])
        row = replace(staged(number, cells[0], message=f"Hi Name {number}, “{cells[2]}” is yours"), cells=cells)
        yield replace(row, outcome=_before(number)) if number <= 4 * len(_STAGED) else row


def _before(number: int) -> Outcome:
    status = _STAGED[number % len(_STAGED)]
    never = status in {Status.PENDING, Status.INVALID, Status.SKIPPED}
    reasons = {Status.SKIPPED: ("duplicate", "excluded"), Status.INVALID: ("no_id", "mangled_id"), Status.FAILED: ("http_410", "http_500")}
    return Outcome(
        status=status,
        reason=reasons.get(status, ("", ""))[number % 2 if number < 20 else 0],
        error="It has no id." if status is Status.INVALID else "",
        http_status=None if never else 410 if status is Status.FAILED else 200,
        attempts=0 if never else number % 3 + 1,
        sent_at=0.0 if never else 1_799_990_000.0 + number / 7,
        settled_at=0.0 if never else 1_799_990_000.9999999 + number / 3,
        latency_seconds=None if never or number % 5 == 0 else number**3 / 900,
    )


async def everything_happened(ledger: Ledger, reader: LedgerReader, clock: HandClock, *, name: str = "-promo, “=1”") -> CampaignRecord:
    """Three runs with pauses between them; the last one is under way, with two messages on their way."""
    settings = {"rate": "9", "results": "results.csv", "halt": "5", "not_after": "18:00", "not_after_time": "2027-01-15T18:00Z"}
    record = await ledger.create(replace(spec(name), columns=COLUMNS, settings=settings))
    await ledger.stage(record.id, list(_rows()))
    await ledger.finish_staging(record.id, content_sha256="c")
    given = Given(ledger=ledger, clock=clock, record=record)
    clock.advance(60.0)
    first = await ledger.register_runner(record.id, quiet_seconds=0, account="token")
    clock.advance(5.0)
    for shift in (0, 1):
        await given.settle(first, await ledger.claim(first, 15), shift=shift)
        clock.advance(2.0)
    await ledger.deregister_runner(first, "paused")
    clock.advance(300.0)
    second = await ledger.register_runner(record.id, quiet_seconds=0, account="token")
    for place, unverified in enumerate(await ledger.claim_unverified(record.id, 9)):
        status = (Status.ACCEPTED, Status.PENDING, Status.UNKNOWN)[place % 3]
        conclusion = Resolution(status=status, reason="other_message" if status is Status.UNKNOWN else "")
        await ledger.record_verification(unverified, conclusion, again_in_seconds=None)
    await given.settle(second, await ledger.claim(second, 15), shift=2)
    await ledger.deregister_runner(second, "limit")
    clock.advance(30.0)
    third = await ledger.register_runner(record.id, quiet_seconds=0, account="token")
    _under_way, _too, *claims = await ledger.claim(third, 17)
    await given.settle(third, claims, shift=3)
    clock.advance(1.5)
    found = reader.campaign(name)
    assert found is not None
    assert all(reader.counts(found.id).by_status.values())
    return found
