"""Statistics over several campaigns, for the commands that show them."""

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

import pandas as pd

from campaign.app.campaign_settings import home_zone, utc_now
from campaign.app.open_ledger import find_whole, reading
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.columns import find_id_column, listed, normalize_name
from campaign.domain.lists.pass_ids import check_pass_id, ids_of, is_plain_id
from campaign.domain.model import Invalid
from campaign.domain.schedule import parse_moment
from campaign.domain.text.formula_escape import strip_unseen, unescape_formula
from campaign.domain.text.lines import shown
from campaign.insights import view
from campaign.ledger.port import CampaignRecord, LedgerReader
from campaign.loader.table import Table, open_table
from campaign.reporter.comparison import Comparison, Rates, rates
from campaign.reporter.conversions import NOTHING, Conversions, Redemptions, conversions
from campaign.reporter.figures import Figures, figures, place_of_column
from campaign.setting_types import given_duration
from campaign.settings import Settings

TIME_NAMES: Final = ("redeemed_at", "redemption_time", "redemption_date", "converted_at", "used_at", "timestamp", "time", "date")
_COLUMNS: Final = ["key", "first", "last"]
_DAY_SECONDS: Final = timedelta(days=1).total_seconds()
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A Unix time from here on is in milliseconds: in seconds it would be the year 5138."""


def read_redemptions(source: str, settings: Settings, *, within: str | None, id_column: str | None, time_column: str | None) -> Redemptions:
    """Read a list of redemptions. Times without a zone are in that of the settings.

    `within` is how long after its message a redemption counts, as a duration that people write; None for any time after. Without their
    names, the columns are those with one of the usual names; that of the times may be missing.

    Raises:
        InputError: the file can't be read, or a line of it has an invalid time or id.
        UsageError: `within` is no duration, or is given for a file without times.
    """
    seconds = math.inf if within is None else given_duration("--within", within)
    with open_table(source) as table:
        id_place = find_id_column(table.columns, id_column, file=table.name, how="with --conversions-id")
        time_place = _time_place(table, time_column)
        if within is not None and time_place is None:
            raise UsageError(
                f"--within {within}: {table.name} has no column that says when a pass was redeemed; it has {listed(table.columns)}. "
                "Name it with --conversions-time, or leave --within out.",
                code="no_times",
                option="--within",
                file=table.name,
            )
        reading = _Reading(table=table, id_place=id_place, time_place=time_place, zone=home_zone(settings))
        found = [frame for part in table.frames() if len(frame := pd.DataFrame(reading.of(part), columns=_COLUMNS))]
        each = pd.concat(found, ignore_index=True).drop_duplicates(ignore_index=True) if found else pd.DataFrame(columns=_COLUMNS)
        return Redemptions(
            file=table.name,
            rows=table.rows,
            left_out=reading.left_out,
            timed=time_place is not None,
            within_seconds=seconds,
            each=each.astype({"key": str, "first": float, "last": float}),
        )


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Reads redemptions. `left_out` counts rows without an id, or without a time if the file has times: these were not redeemed."""

    table: Table
    id_place: int
    time_place: int | None
    zone: tzinfo
    left_out: int = 0
    _row: int = 0

    def of(self, frame: pd.DataFrame) -> list[tuple[str, float, float]]:
        """The redemptions of a frame: each is the pass key and its first and last possible time, in Unix seconds, 0 without times."""
        ids = frame.iloc[:, self.id_place].array.tolist()
        if self.table.format.is_spreadsheet:
            ids = list(map(unescape_formula, ids))
        times = [None] * len(ids) if self.time_place is None else frame.iloc[:, self.time_place].array.tolist()
        found = [self._redemption(*one) for one in zip(ids, ids_of(ids)[1], times, strict=True)]
        redeemed = [one for one in found if one is not None]
        self.left_out += len(found) - len(redeemed)
        return redeemed

    def _redemption(self, text: str, key: str, at: str | None) -> tuple[str, float, float] | None:
        self._row += 1
        if not is_plain_id(text):
            _, invalid, sentence = check_pass_id(text)
            if invalid is Invalid.NO_ID:
                return None
            if invalid is not None:
                raise self._error(sentence, invalid.value, self.id_place)
        if self.time_place is None or at is None:
            return key, 0.0, 0.0
        if not (at := strip_unseen(at)):
            return None
        try:
            return key, *moments(at, self.zone)
        except (ValueError, OverflowError):
            problem = f"“{shown(at)}” is not a time. Write 2026-12-24, 2026-12-24T18:00 or 2026-12-24T18:00+01:00."
            raise self._error(problem, "bad_time", self.time_place) from None

    def _error(self, problem: str, code: str, place: int) -> InputError:
        table, row = self.table, self._row
        return InputError(problem, code=code, file=table.name, row=row, line=table.lines.of(row), column=table.columns[place])


def moments(text: str, zone: tzinfo) -> tuple[float, float]:
    """The first and the last time that a text can mean, in Unix seconds: for a day without a time, its beginning and its end.

    Raises:
        ValueError: it is no time.
    """
    if text.isascii() and text.isdecimal() and len(text) > len("20261224"):
        number = float(text) / (1000 if int(text) >= _MILLISECONDS_FROM else 1)
        return number, number
    moment = datetime.fromisoformat(text)
    first = (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp()
    is_day = len(text) <= len("2026-12-24") or (moment.time() == time() and text.endswith(" 00:00:00"))
    return first, first + (_DAY_SECONDS if is_day else 0.0)


def _time_place(table: Table, asked: str | None) -> int | None:
    names = {normalize_name(name) for name in TIME_NAMES} if asked is None else {normalize_name(asked)}
    found = [place for place, column in enumerate(table.columns) if normalize_name(column) in names]
    if asked is not None and asked in table.columns:
        found = [table.columns.index(asked)]
    if asked is not None and not found:
        raise InputError(
            f"There is no column “{shown(asked)}”; the file has {listed(table.columns)}. Change --conversions-time.",
            code="unknown_column",
            file=table.name,
            column=asked,
        )
    if len(found) > 1:
        these = listed([table.columns[place] for place in found])
        raise InputError(
            f"{these} could each say when a pass was redeemed. Say which one with --conversions-time.",
            code="several_time_columns",
            file=table.name,
        )
    return found[0] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A file of redemptions to join, and its options; `by` is a column of the campaigns' lists."""

    file: str | None = None
    within: str | None = None
    by: str = ""
    id_column: str | None = None
    time_column: str | None = None

    def read(self, settings: Settings) -> Redemptions | None:
        """Read the file; None if there is none.

        Raises:
            InputError: it can't be read.
            UsageError: there is no file, and another option needs one.
        """
        if self.file is not None:
            return read_redemptions(self.file, settings, within=self.within, id_column=self.id_column, time_column=self.time_column)
        given = {"--within": self.within, "--by": self.by, "--conversions-id": self.id_column, "--conversions-time": self.time_column}
        if option := next((name for name, value in given.items() if value), None):
            raise UsageError(
                f"{option} is about conversions. Add --conversions FILE, a list of the passes that were redeemed.",
                code="only_with_conversions",
                option=option,
            )
        return None

    def of(self, reader: LedgerReader, record: CampaignRecord, redemptions: Redemptions | None) -> Conversions | None:
        """A campaign's conversions, divided by the column if its list has it; None if the campaign's rows were purged."""
        if redemptions is None or record.purged_at:
            return None
        place = place_of_column(record.spec, self.by) if self.by in record.spec.columns else None
        return conversions(reader, record, redemptions, keys=lambda texts: ids_of(texts)[1], place=place)


WITHOUT: Final = Joined()


def delivery_rates(settings: Settings, *, since: str | None = None, until: str | None = None, joined: Joined = WITHOUT) -> Rates:
    """The delivery rates of the campaigns that began between two times, which are as people write them.

    Raises:
        UsageError: one of the times is not valid, or the second is not after the first; or no campaign's list has the column.
        InputError: the file of redemptions can't be used.
    """
    first, last = _moment("--since", since, settings), _moment("--until", until, settings)
    if first is not None and last is not None and last <= first:
        raise UsageError(
            f"--until {until} is not after --since {since}, so no campaign can be between them.",
            code="until_before_since",
            option="--until",
        )
    redemptions = joined.read(settings)
    with reading(settings) as reader:
        found = rates(
            reader,
            since=0.0 if first is None else first,
            until=math.inf if last is None else last,
            redemptions=redemptions,
            converted=lambda record: joined.of(reader, record, redemptions),
            column=joined.by,
        )
    if joined.by and found.campaigns and not any(joined.by in one.record.spec.columns for one in found.campaigns):
        raise UsageError(f"--by {joined.by}: no campaign's list has such a column.", code="unknown_column", option="--by")
    return found


def compared(names: tuple[str, str], settings: Settings, *, joined: Joined = WITHOUT) -> Comparison:
    """The statistics of two campaigns side by side.

    Raises:
        UsageError: both names are the same, or a campaign does not exist, is half staged, or has no column of the name.
        InputError: the file of redemptions can't be used.
    """
    if names[0] == names[1]:
        raise UsageError(
            f"Both names are “{names[0]}”. Name two campaigns; campaign list shows all there are.", code="same_campaign", campaign=names[0]
        )
    redemptions = joined.read(settings)
    with reading(settings) as reader:
        records = [find_whole(reader, name) for name in names]
        for record in records if joined.by else ():
            place_of_column(record.spec, joined.by)

        def look(place: int) -> Figures:
            return figures(reader, view(reader, records[place], ledger=settings.ledger_to_name))

        sides = [joined.of(reader, record, redemptions) or NOTHING for record in records]
        both = None if redemptions is None else (sides[0], sides[1])
        return Comparison(both=(look(0), look(1)), redemptions=redemptions, conversions=both, column=joined.by)


def _moment(option: str, text: str | None, settings: Settings) -> float | None:
    if text is None:
        return None
    try:
        # A time of day alone means its last occurrence, not the next.
        return parse_moment(text, in_zone=home_zone(settings), now=utc_now() - timedelta(days=1)).timestamp()
    except ValueError as error:
        raise UsageError(f"{option}: {error}.", code="bad_value", option=option) from None
