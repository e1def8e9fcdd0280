"""Formats campaigns and their histories as text."""

from collections.abc import Iterator
from typing import Final

from campaign.app.campaigns import History, Run
from campaign.app.summary import in_words, settings_in_words
from campaign.domain.text.lines import local_time, rows, sanitize_for_terminal
from campaign.insights import CampaignView

LONGEST_NAME: Final = 40


def lines_of_all(views: list[CampaignView]) -> list[str]:
    """A line for each campaign, in columns: name, state, rows, when it was made and when it ended."""
    table = [("CAMPAIGN", "STATE", "ROWS", "CREATED", "ENDED"), *map(_line, views)]
    widths = [max(len(line[place]) for line in table) for place in range(5)]
    return [
        "  ".join(
            text.rjust(width) if place == 2 else text.ljust(width) for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def history_in_words(history: History) -> str:
    """All data about a campaign except its rows."""
    record = history.view.record
    gone = bool(record.purged_at or record.exported_at)
    facts = [
        ("List", f"{sanitize_for_terminal(record.spec.list_name)}, {rows(record.rows)}"),
        ("Columns", sanitize_for_terminal(", ".join(record.spec.columns))),
        ("Pass", sanitize_for_terminal(record.spec.id_column)),
        ("Created", local_time(record.created_at)),
        ("Exported", f"{local_time(record.exported_at)}, to {sanitize_for_terminal(record.exported_to)}" if record.exported_at else ""),
        ("Forgotten", local_time(record.purged_at)),
        ("Message", sanitize_for_terminal(history.sample)),
        *settings_in_words(record).values(),
    ]
    width = max(len(name) for name, _ in facts) + 2
    lines = [f"{name + ':':<{width}}{value}" for name, value in facts if value]
    runs = [f"Runs ({len(history.runs):,}), newest first:", *_runs(history.runs)] if history.runs else ["It has not been run yet."]
    return "\n\n".join([in_words(history.view, commands=not gone), "\n".join(lines), "\n".join(runs)])


def _runs(runs: tuple[Run, ...]) -> Iterator[str]:
    for run in runs:
        runner = run.runner
        who = f"{sanitize_for_terminal(runner.username) or 'somebody'} on {sanitize_for_terminal(runner.host)}, process {runner.pid}"
        until = "still running" if runner.alive else f"until {local_time(runner.ended_at)}" if runner.ended_at else "end unknown"
        sends = f"{run.attempts:,} {'send' if run.attempts == 1 else 'sends'}"
        left = f", {rows(runner.rows_left)} left to send or read back" if runner.rows_left else ""
        code = f", exit code {run.exit_code}" if run.exit_code is not None else ""
        yield f"  {local_time(runner.started_at)}  {who}: {sends}{left}, {until}{code}. {run.end}".rstrip()


def _line(view: CampaignView) -> tuple[str, str, str, str, str]:
    record = view.record
    shown = sanitize_for_terminal(record.spec.name, LONGEST_NAME)
    return shown, view.state_word, f"{view.counts.rows:,}", local_time(record.created_at), local_time(record.finished_at)
