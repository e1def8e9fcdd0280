"""A campaign's outcome as one self-contained HTML file, to read, print and forward.

The page identifies rows only by number. It contains no pass id, no cell of the list except the values of a column that was asked for, no
raw answer of the API, no message with a person's values, and no path, host or user.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from campaign.atomic import AtomicFile, writing
from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import Location
from campaign.domain.lists.query import list_title
from campaign.domain.lists.sheet import places, where_rows_are_counted
from campaign.domain.model import CampaignState
from campaign.domain.status import BY_OUTCOME, EXPLAINED, Status
from campaign.domain.text.durations import words as duration
from campaign.domain.text.lines import brief, capitalized, percent, rows, sanitize_for_terminal
from campaign.domain.text.reasons import NO_REASON, advice, ended_in_words, reason_in_words
from campaign.reporter.charts import PAGE_COLORS, band_in_words, latency_picture, sends_picture, sends_series
from campaign.reporter.figures import OTHERS, READ_BACK, Figures
from campaign.reporter.pauses import KIND_LABEL
from campaign.reporter.timeline import pace

MARK: Final = '<meta name="generator" content="campaign report">'
"""Identifies a page that this module wrote, and so may replace."""
MOST_LINES: Final = 12
_MARK_WITHIN_CHARACTERS: Final = 2000
_LONGEST_VALUE: Final = 80
_WITHOUT_REASON: Final = {Status.ACCEPTED: "no answer came; reading the pass back showed that it holds the message"}
_WORDS_OF_RETRIES: Final = {READ_BACK: "no answer came, and the pass that was read back held nothing of it", OTHERS: "other reasons"}
_UNTOLD: Final = frozenset({"results", "exclude", "results_of", "sent_again"})
"""Settings that name files of the machine on which the campaign ran, or that the campaign remembers for itself."""
_MOMENTS: Final = frozenset({"start_at_time", "not_after_time"})


def write_page(place: Location, found: Figures) -> None:
    """Write the page atomically.

    Raises:
        UsageError: the place can't be written.
        DiskFullError: there is no space left.
    """
    page = page_of(found)
    with AtomicFile(place) as draft:
        with writing(place):
            draft.file.write(page)
        draft.sync()
        draft.commit()


def check_page_writable(place: Location) -> None:
    """Check that a page may be written to the place.

    Raises:
        UsageError: the place holds something other than a campaign's page, or can't be written.
        DiskFullError: there is no space left.
    """
    if isinstance(place, Path) and os.path.lexists(place):
        with writing(place):
            if not place.is_file():
                raise UsageError(
                    f"{place} is no file, so no page can be written there. Give the page another name.", code="not_a_file", file=place
                )
            with place.open(encoding="utf-8", errors="replace") as file:
                head = file.read(_MARK_WITHIN_CHARACTERS)
        if head and MARK not in head:
            raise UsageError(
                f"{place} is there already, and is no page of a campaign. Give the page another name, or move that file away.",
                code="not_a_page",
                file=place,
            )
    with AtomicFile(place):
        pass


def page_of(found: Figures) -> bytes:
    """The page, in UTF-8."""
    environment = Environment(
        loader=PackageLoader("campaign.reporter"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        thousands=lambda number: f"{number:,}",
        label=found.view.label_of,
        capitalized=capitalized,
        day_and_time=day_and_time,
        duration=duration,
        short=brief,
        pace=pace,
        stand=lambda count, status: _were(found.view.label_of(status), count, past=False),
        rows=rows,
        band=band_in_words,
        value=_value,
        ended=ended_in_words,
        why=_why,
    )
    environment.globals.update(percent=percent, colors=PAGE_COLORS, order=BY_OUTCOME, mark=Markup(MARK))  # noqa: S704 - of our own making
    return environment.get_template("page.html").render(_values(found)).encode()


def day_and_time(seconds: float) -> str:
    """A moment in this machine's time zone, which the page names once; empty for 0."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%d %b %Y, %H:%M:%S}" if seconds else ""


def sentence(found: Figures) -> str:
    """The outcome in one sentence."""
    counts = found.view.counts
    if not counts.rows:
        return "The list has no rows."
    parts = [(status, counts.by_status[status]) for status in BY_OUTCOME if counts.by_status[status]]
    told = [f"{_were(found.view.label_of(status), count)} ({percent(count, counts.rows)})" for status, count in parts[:1]]
    told += [f"{count:,} {found.view.label_of(status)}" for status, count in parts[1:]]
    joined = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    return f"Of {rows(counts.rows)}, {joined}."


def _were(label: str, count: int, *, past: bool = True) -> str:
    """`1 was delivered`, `3 failed`; in the present tense `1 is delivered`."""
    verbs = ("was", "were") if past else ("is", "are")
    return f"{count:,} {label}" if label == Status.FAILED.info.label else f"{count:,} {verbs[count != 1]} {label}"


def _values(found: Figures) -> dict[str, Any]:
    record, counts = found.view.record, found.view.counts
    key = tuple(sends_series(found.timeline, found.pauses))
    tried, again = (by_attempts.sum().to_dict() for by_attempts in (found.by_attempts, found.by_attempts.loc[2:]))
    return {
        "found": found,
        "counts": counts,
        "name": sanitize_for_terminal(record.spec.name),
        "sentence": sentence(found),
        "state": f"It {found.view.state_in_words}",
        "zone": f"{datetime.fromtimestamp(found.now).astimezone():%Z}",
        "parts": [(status, counts.by_status[status]) for status in BY_OUTCOME if counts.by_status[status]],
        "reasons": [_group(found, status) for status in EXPLAINED if counts.by_status[status]],
        "key": key,
        "sends": sends_picture(found.timeline, key) if found.timeline.total else None,
        "table": sends_table(found, at_most=MOST_LINES) if found.timeline.total else None,
        "pauses": found.pauses.longest(MOST_LINES),
        "kinds": KIND_LABEL,
        "answers": latency_picture(found.latencies) if found.latencies.count else None,
        "tried": sum(tried.values()),
        "again": [(status, again[status]) for status in BY_OUTCOME if again[status]],
        "tried_again": sum(again.values()),
        "tried_statuses": [status for status in BY_OUTCOME if tried[status]],
        "settings": _settings(found),
        "where_rows_are_counted": where_rows_are_counted(found.view.record.spec.lines),
        "wordings": found.shared_texts(),
    }


def sends_table(found: Figures, *, at_most: int) -> dict[str, Any]:
    """The table of sends in at most `at_most` stretches: sends by outcome, answers of 429, and seconds paused."""
    coarse = found.timeline.coarser(at_most)
    lines = [line | {"paused": found.pauses.seconds(line["at"], line["at"] + coarse.seconds)} for line in coarse.lines()]
    return {"statuses": coarse.statuses, "rows": lines}


def _group(found: Figures, status: Status) -> dict[str, Any]:
    """A status and its rows by reason; the smaller reasons are added up."""
    reasons = list(found.view.counts.reasons(status).items())
    shown, others = reasons[:MOST_LINES], reasons[MOST_LINES:]
    return {
        "status": status,
        "count": found.view.counts.by_status[status],
        "meaning": status.info.meaning,
        "reasons": [
            {
                "words": _value(reason_in_words(reason)) if reason else _WITHOUT_REASON.get(status, NO_REASON),
                "count": count,
                "places": places(found.examples[status, reason], found.view.record.spec.lines, count=count),
                "advice": advice(status, reason, cancelled=found.view.state is CampaignState.CANCELLED),
            }
            for reason, count in shown
        ],
        "others": (len(others), sum(count for _, count in others)),
    }


def _why(reason: str) -> str:
    """Why a row was sent again, in words."""
    return _WORDS_OF_RETRIES.get(reason) or _value(reason_in_words(reason))


def _settings(found: Figures) -> list[tuple[str, str]]:
    spec = found.view.record.spec
    # A setting that was given as a time of day is shown as the moment that it meant.
    meant = {name.removesuffix("_time"): value for name, value in spec.settings.items() if name in _MOMENTS}
    given = sorted((name, value) for name, value in (spec.settings | meant).items() if value and name not in _UNTOLD | _MOMENTS)
    return [
        ("List", _value(list_title(spec.list_name))),
        ("Column of the passes' ids", _value(spec.id_column)),
        *((_value(name.replace("_", " ").capitalize()), _setting(name, value)) for name, value in given),
    ]


def _setting(name: str, value: str) -> str:
    if name == "rate":
        return f"{float(value):g} sends a second"
    return {"True": "yes", "False": "no"}.get(value, _value(value))


def _value(text: str) -> str:
    """A text from the list or the API on one line, cut to 80 characters."""
    text = " ".join(sanitize_for_terminal(text).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
