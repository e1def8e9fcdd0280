"""Results on stdout: words, or one JSON object."""

import sys

import orjson

from campaign.app.checking import Checked
from campaign.domain.durations import words
from campaign.domain.model import Status
from campaign.insights import CampaignView
from campaign.reporter.reasons import reason_in_words
from campaign.reporter.summary import in_words


def print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    sys.stdout.flush()


def print_view(view: CampaignView, *, as_json: bool, why: str = "") -> None:
    if as_json:
        print_json(view.as_json())
        return
    if why:
        sys.stdout.write(f"Stopped: {why}\n\n")
    sys.stdout.write(f"{in_words(view)}\n")


def print_views(views: list[CampaignView]) -> None:
    if not views:
        sys.stdout.write("There are no campaigns in this ledger yet. Start one with: campaign run LIST --message TEXT\n")
    for view in views:
        done = view.counts.rows - view.counts.open
        sys.stdout.write(f"{view.record.spec.name}: {view.state.value}, {done:,} of {view.counts.rows:,} rows are done\n")


def print_checked(checked: Checked, *, as_json: bool) -> None:
    if as_json:
        print_json(checked.as_json())
        return
    counts = checked.counts
    lines = [f"{checked.list_name}: {checked.description}", f"{counts.rows:,} rows, {counts.by_status[Status.PENDING]:,} can be sent."]
    if checked.estimated_seconds:
        lines.append(f"Sending them takes about {words(checked.estimated_seconds)}.")
    for problem in checked.problems:
        rows = ", ".join(map(str, problem.rows)) + (", …" if problem.count > len(problem.rows) else "")
        lines += ["", f"{problem.count:,} rows: {reason_in_words(problem.kind)}: {rows}"]
        if problem.example:
            lines.append(f"    {problem.example}")
    if checked.long_messages:
        lines += ["", f"{checked.long_messages:,} messages are longer than the 140 characters that a lock screen shows."]
    if checked.samples:
        lines += ["", "Sample messages:"]
        lines += [f"  row {sample.row} ({sample.length} characters): {sample.message}" for sample in checked.samples]
    sys.stdout.write("\n".join(lines) + "\n")
