"""Conversions: passes redeemed after their message, joined from a file, for every ledger backend."""

import math
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from campaign.app.results.stats import Joined, moments, read_redemptions
from campaign.domain.errors import InputError, UsageError
from campaign.ledger.port import Ledger, LedgerReader
from campaign.reporter import frames
from campaign.reporter.conversions import Conversions, Redemptions
from campaign.reporter.figures import largest
from campaign.settings import Settings
from tests.contract.backends import HandClock
from tests.contract.test_figures import EVIL, sent_campaign
from tests.errors import raises

# Sent at 2027-01-15 08:00 UTC: rows 1 to 6, of which 1, 2 and 6 were delivered, 3 was not, and 4 and 5 failed.
REDEEMED = """\
pass_id,redeemed_at,shop
pass-1,2027-01-15T10:00+01:00,a
pass-1,2027-01-16,a
pass-2,2027-01-15 07:59,a
pass-3,1800172800,b
pass-4,2027-01-15,b

pass-7,2027-01-15 09:00,b
 stranger ,2027-01-15 09:00,b
,2027-01-15 09:00,b
pass-6,,b
"""


def settings() -> Settings:
    return Settings.read(time_zone="UTC")


def read(
    folder: Path, text: str, *, within: str | None = None, id_column: str | None = None, time_column: str | None = None
) -> Redemptions:
    path = folder / "redeemed.csv"
    path.write_text(text, encoding="utf-8")
    return read_redemptions(str(path), settings(), within=within, id_column=id_column, time_column=time_column)


async def joined(ledger: Ledger, reader: LedgerReader, clock: HandClock, redemptions: Redemptions, *, by: str = "") -> Conversions:
    await sent_campaign(ledger, clock)
    record = reader.campaign("promo")
    assert record is not None
    found = Joined(by=by).of(reader, record, redemptions)
    assert found is not None
    return found


async def test_passes_redeemed_within_the_time_after_their_message_are_counted_once(
    ledger: Ledger, reader: LedgerReader, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FRAME_ROWS", 1)
    found = await joined(ledger, reader, clock, read(tmp_path, REDEEMED, within="7d"), by="region")
    assert {status: (sent_to, converted) for status, sent_to, converted in found.by_status.itertuples() if sent_to} == {
        "delivered": (3, 1),
        "not_delivered": (1, 1),
        "failed": (2, 1),
    }
    assert found.total == {"sent_to": 6, "converted": 3}
    assert found.by_value is not None
    assert {value: counts for value, *counts in found.by_value.itertuples()} == {"south": [2, 2], EVIL: [2, 0], "north": [2, 1]}
    told = found.as_json()
    assert (told["sent_to"], told["converted"], told["conversion_rate"]) == (6, 3, 0.5)
    assert told["by_status"]["unknown"] == {"sent_to": 0, "converted": 0, "conversion_rate": None}
    assert {"value": "south", "sent_to": 2, "converted": 2, "conversion_rate": 1.0} in told["by_value"]


async def test_a_shorter_time_counts_fewer(ledger: Ledger, reader: LedgerReader, clock: HandClock, tmp_path: Path) -> None:
    found = await joined(ledger, reader, clock, read(tmp_path, REDEEMED, within="1d"))
    assert (found.total, found.by_value) == ({"sent_to": 6, "converted": 2}, None)


async def test_without_times_every_redemption_of_a_pass_that_was_sent_to_counts(
    ledger: Ledger, reader: LedgerReader, clock: HandClock, tmp_path: Path
) -> None:
    found = await joined(ledger, reader, clock, read(tmp_path, "id\npass-1\npass-2\npass-7\npass-1\n"))
    assert found.total == {"sent_to": 6, "converted": 2}


def test_what_is_known_of_the_file_itself(tmp_path: Path) -> None:
    assert read(tmp_path, REDEEMED, within="7d").as_json() == {
        "file": str(tmp_path / "redeemed.csv"),
        "rows": 9,
        "rows_left_out": 2,
        "passes": 6,
        "within_seconds": 604_800.0,
    }
    empty = read(tmp_path, "id,time\na,\n")
    assert (empty.as_json()["passes"], empty.left_out, empty.within_seconds) == (0, 1, math.inf)


def test_parquet_and_excel_say_times_too(tmp_path: Path) -> None:
    table = pd.DataFrame({"Pass ID": ["pass-1"], "when": [pd.Timestamp("2027-01-15T09:00:00.5")]})
    for name, write in (("r.parquet", table.to_parquet), ("r.xlsx", lambda path: table.to_excel(path, index=False, engine="xlsxwriter"))):
        write(tmp_path / name)
        (one,) = read_redemptions(str(tmp_path / name), settings(), within="1h", id_column=None, time_column="WHEN").each.itertuples(
            index=False
        )
        assert one.key == "pass-1"
        assert abs(one.first - 1_800_003_600) < 1


@pytest.mark.parametrize(
    ("text", "first", "seconds"),
    [
        ("2027-01-15", 1_799_971_200.0, 86_400.0),
        ("2027-01-15T08:00", 1_800_000_000.0, 0.0),
        ("2027-01-15 09:00:00.5+01:00", 1_800_000_000.5, 0.0),
        ("2027-01-15T08:00:00Z", 1_800_000_000.0, 0.0),
        ("1800000000", 1_800_000_000.0, 0.0),
        ("1800000000500", 1_800_000_000.5, 0.0),
    ],
)
def test_times_as_exports_write_them(text: str, first: float, seconds: float) -> None:
    assert moments(text, UTC) == (first, first + seconds)


def test_a_day_is_the_day_of_the_time_zone() -> None:
    assert moments("2027-01-15", ZoneInfo("Europe/Berlin"))[0] == 1_799_971_200.0 - 3600


def test_a_line_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    name = str(tmp_path / "redeemed.csv")
    with raises(InputError, "bad_time", file=name, row=2, line=4, column="redeemed_at"):
        read(tmp_path, "pass_id,redeemed_at\na,2027-01-15\n\nb,yesterday\n")
    with raises(InputError, "mangled_id", file=name, row=1, line=2, column="pass_id"):
        read(tmp_path, "pass_id,redeemed_at\n1.23E+15,2027-01-15\n")
    with raises(InputError, "several_time_columns", file=name):
        read(tmp_path, "pass_id,date,Used at\na,2027-01-15,2027-01-15\n")
    with raises(InputError, "unknown_column", file=name, column="when"):
        read(tmp_path, "pass_id,date\na,2027-01-15\n", time_column="when")
    with raises(InputError, "missing_id_column", file=name):
        read(tmp_path, "customer,date\na,2027-01-15\n")
    assert read(tmp_path, "customer,date,time\na,2027-01-15,x\n", id_column="customer", time_column="date").timed
    with raises(UsageError, "no_times", option="--within", file=name):
        read(tmp_path, "pass_id\na\n", within="7d")
    with raises(UsageError, "bad_value", option="--within"):
        read(tmp_path, "pass_id,date\na,2027-01-15\n", within="a week")


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (Joined(within="7d"), "--within"),
        (Joined(by="region"), "--by"),
        (Joined(id_column="a"), "--conversions-id"),
        (Joined(time_column="a"), "--conversions-time"),
    ],
)
def test_what_only_a_file_can_answer_needs_one(given: Joined, option: str) -> None:
    with raises(UsageError, "only_with_conversions", option=option):
        given.read(settings())


def test_what_one_pass_alone_has_is_not_named() -> None:
    found = pd.DataFrame({"sent_to": [1, 5, 1], "converted": [1, 1, 0]}, index=["b", "a", "c"])
    assert largest(found, "sent_to", least=2) == [
        {"value": "a", "values": 1, "sent_to": 5, "converted": 1},
        {"value": None, "values": 2, "sent_to": 2, "converted": 1},
    ]
