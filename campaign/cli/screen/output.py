"""Prints results on stdout, as words or one JSON object, once or every second; and errors on stderr."""

import re
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from campaign.app.summary import in_words
from campaign.domain.errors import CampaignError, fault_of, problem_of
from campaign.domain.lists.sheet import place, places, where_rows_are_counted
from campaign.domain.model import CampaignState
from campaign.domain.reach import WORDS, Reach
from campaign.domain.status import SENT_TO, Status
from campaign.domain.text.durations import words
from campaign.domain.text.lines import rows, sanitize_for_terminal
from campaign.domain.text.reasons import finding_in_words, reason_in_words
from campaign.insights import CampaignView

if TYPE_CHECKING:
    from campaign.app.demo import DemoResult
    from campaign.app.preflight.check import Checked
    from campaign.app.sending.reach import Reached


_MEANT: Final = (
    "It did not know some passes, some were in no wallet, and it cut some connections: the results show the outcome of each row."
)


_COMMANDS: Final = re.compile(rb"\xc2([\x80-\x9f])|(\x7f)")
"""Control characters for some terminals that JSON allows unescaped; those below U+0020 are always escaped."""


def print_json(value: object) -> None:
    encoded = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    sys.stdout.buffer.write(_COMMANDS.sub(lambda found: b"\\u00%02x" % (found[1] or found[2])[0], encoded) + b"\n")
    sys.stdout.flush()


def print_view(view: CampaignView, *, as_json: bool, note: str = "", brief: bool = False, details: Mapping[str, Any] | None = None) -> None:
    """Print one campaign. `note` is the command's own text, which JSON leaves out; with `brief` nothing else is printed.

    `details` are added to the JSON object.
    """
    if as_json:
        print_json(view.as_json() | dict(details or {}))
        return
    if brief:
        sys.stdout.write(f"{sanitize_for_terminal(note)}\n")
        return
    if note:
        sys.stdout.write(f"{note}\n\n")
    sys.stdout.write(f"{in_words(view)}\n")


def none_yet() -> str:
    return "There are no campaigns in this ledger yet. Start one with: campaign run LIST --message TEXT"


def line_of(view: CampaignView) -> str:
    """One campaign on one line: `promo: sending, 120 of 500 rows done, 9.0/s, about 42 s left`."""
    if view.half_staged:
        how = "being staged by another process" if view.staging else "not fully staged; run the same command again"
        return f"{sanitize_for_terminal(view.record.spec.name)}: {how}, {rows(view.counts.rows)} so far"
    done = view.counts.rows - view.counts.open
    parts = [view.state.value, f"{done:,} of {rows(view.counts.rows)} done"]
    if not view.counts.open and view.counts.unverified:
        parts.append(f"{view.counts.unverified:,} to read back")
    elif view.rate_per_second:
        parts.append(f"{view.rate_per_second:.1f}/s")
    if view.state is CampaignState.SENDING and view.counts.open and view.eta_seconds is not None:
        parts.append(f"about {words(max(1.0, view.eta_seconds))} left")
    return f"{sanitize_for_terminal(view.record.spec.name)}: {', '.join(parts)}"


def print_checked(checked: "Checked", *, as_json: bool) -> None:
    if as_json:
        print_json(checked.as_json())
        return
    sendable = checked.counts.by_status[Status.PENDING]
    lines = [
        f"{sanitize_for_terminal(checked.list_name)}: {checked.description}",
        f"{rows(checked.counts.rows)}, {sendable:,} can be sent. Nothing was sent.",
    ]
    before = [f"{count:,} {status.info.label}" for status, count in checked.counts.by_status.items() if count and status in SENT_TO]
    if before:
        lines.append(f"The others have results in the file: {', '.join(before)}. They are not sent again.")
    if checked.estimated_seconds:
        about = f"takes about {words(max(1.0, checked.estimated_seconds))}"
        by_batches = f"Handing them over {about}; PassEntry sends them at its own pace."
        lines.append(by_batches if checked.by_batches else f"Sending {about}, at {checked.rate_per_second:g} a second.")
    if checked.reach is not None:
        lines += ["", *_reach_in_words(checked.reach)]
    for problem in checked.problems:
        lines += [
            "",
            f"{rows(problem.count)}: {reason_in_words(problem.kind)}",
            f"    {places(problem.rows, checked.lines, count=problem.count)}",
        ]
        if problem.example:
            lines.append(f"    {sanitize_for_terminal(problem.example)}")
    for finding in checked.findings:
        lines += ["", finding_in_words(finding, lock_screen=checked.lock_screen), f"    {finding.where(checked.lines)}"]
        lines.append(f"    {sanitize_for_terminal(finding.example)}")
    if checked.problems or checked.findings:
        lines += ["", where_rows_are_counted(checked.lines)]
    if checked.samples:
        lines += ["", "Sample message:" if len(checked.samples) == 1 else "Sample messages:"]
        lines += [
            f"  {place(sample.row, checked.lines.of(sample.row))}, {sample.length} {'character' if sample.length == 1 else 'characters'}: "
            f"{sanitize_for_terminal(sample.message)}"
            for sample in checked.samples
        ]
    sys.stdout.write("\n".join(lines) + "\n")


def _reach_in_words(reached: "Reached") -> list[str]:
    """The number of passes in a wallet, and those of every other reach that some pass has."""
    width = len(f"{reached.passes:,}")
    found = [(reach, count) for reach, count in reached.counts.items() if count or reach is Reach.IN_WALLET]
    return [f"{_passes(reached.passes)} read:", *(f"  {count:>{width},} {WORDS[reach]}" for reach, count in found)]


def print_demo(demo: "DemoResult") -> None:
    """Print the result of a demo. Its simulator is gone, so the only command to continue with is the demo itself."""
    view = demo.finished.view
    notes = [demo.finished.note] if demo.finished.note else []
    notes += [in_words(view, commands=False)]
    seen = demo.summary
    if seen.processed:
        sent = f"{_messages(seen.processed)} to {_passes(seen.distinct_passes)}; sent twice: {seen.surplus:,}"
        notes += [f"This was a demo: a simulator took the place of PassEntry. It processed {sent}.\n{_MEANT}"]
    elif not view.counts.open:
        notes += ["The simulator got no message this time, as intended: a demo in the same folder is the same campaign, which has ended."]
    if view.counts.open:
        notes += [f"To continue:\n    {shlex.join(['campaign', 'demo', '--folder', str(demo.folder)])}"]
    else:
        notes += ["Next, check your own list; this sends nothing:\n    campaign check LIST --message TEXT"]
    sys.stdout.write("\n\n".join(notes) + "\n")


def _messages(count: int) -> str:
    return f"{count:,} {'message' if count == 1 else 'messages'}"


def _passes(count: int) -> str:
    return f"{count:,} {'pass' if count == 1 else 'passes'}"


def print_error(problem: CampaignError) -> None:
    # File names and columns come from other people.
    sys.stderr.write(f"campaign: {sanitize_for_terminal(str(problem))}\n")


def report_error(error: Exception) -> int:
    """Report why a run failed; returns its exit code."""
    import structlog

    problem = problem_of(error)
    log = structlog.get_logger()
    if problem is None:
        if sys.stderr.isatty():
            traceback.print_exception(error)
            return 1
        lines = [sanitize_for_terminal(line) for part in traceback.format_exception(error) for line in part.splitlines()]
        detail = f"A fault of the program: {type(fault_of(error)).__name__}. What was sent is safe in the ledger; please report it."
        log.error("run_broke_off", detail=detail, code="internal_error", exit_code=1, exception=lines)
        return 1
    if sys.stderr.isatty():
        print_error(problem)
    else:
        log.error("run_broke_off", detail=str(problem), code=problem.code, exit_code=problem.exit_code)
    return problem.exit_code


WATCH_SECONDS = 1.0

Views = list[CampaignView]


def show_views(views: Views, *, one: bool, as_json: bool) -> None:
    """Print campaigns; `one` says that a single campaign was asked for."""
    if as_json and not one:
        print_json([view.as_json() for view in views])
    elif one:
        print_view(views[0], as_json=as_json)
    else:
        sys.stdout.write(_lines(views) + "\n")


def watch_views(look: Callable[[], Views], *, one: bool, as_json: bool, sleep: Callable[[float], None] = time.sleep) -> None:
    """Print the campaigns every second until nothing is being sent. In JSON, one line each time."""
    if as_json or not sys.stdout.isatty():
        while _busy(views := look()):
            found = [view.as_json() for view in views]
            sys.stdout.write((orjson.dumps(found[0] if one else found).decode() if as_json else _lines(views)) + "\n")
            sys.stdout.flush()
            sleep(WATCH_SECONDS)
        show_views(views, one=one, as_json=as_json)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, transient=True) as live:
        while _busy(views := look()):
            live.update(Text(in_words(views[0]) if one else _lines(views)), refresh=True)
            sleep(WATCH_SECONDS)
    show_views(views, one=one, as_json=False)


def _busy(views: Views) -> bool:
    return any(view.state in {CampaignState.SENDING, CampaignState.WAITING} for view in views)


def _lines(views: Views) -> str:
    return "\n".join(map(line_of, views)) if views else none_yet()
