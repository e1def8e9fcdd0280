"""Asks a person on a terminal whether to send: one sentence that says what will happen, the first message, and what to look at."""

import re
import sys
from datetime import UTC, datetime, timedelta
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final

import typer

from campaign.domain.care import Care
from campaign.domain.durations import words
from campaign.domain.forecast import ends_at, moment_in_words

if TYPE_CHECKING:
    from campaign.app.question import Question

NUMBER_FROM: Final = 10_000
"""Over so many recipients a “y” is typed too easily."""

_NUMBER: Final = re.compile(r"\d+|\d{1,3}(?:([,. '’\u00a0\u202f])\d{3})(?:\1\d{3})*", re.ASCII)  # noqa: RUF001 - as the Swiss write it


def confirm(question: "Question") -> bool:
    """Whether a person agrees.

    Raises:
        UsageError: there is nobody to ask.
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    from campaign.cli.signals import interruptible
    from campaign.cli.typed import agreed, line
    from campaign.domain.errors import UsageError
    from campaign.reporter.concerns import concern_in_words, places
    from campaign.reporter.lines import WIDTH, wrapped
    from campaign.reporter.reasons import printable

    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on. Add --yes to send without being asked; nothing was sent.")
    width = min(WIDTH, get_terminal_size().columns)

    def say(sentence: str) -> None:
        typer.echo("\n".join(wrapped(printable(sentence), width=width)), err=True)

    reads = "It reads:" if question.messages == 1 else "The first one reads:"
    say(f"{plan_in_words(question, now=datetime.now(UTC))} {reads}")
    typer.echo(f"  {printable(question.first)}", err=True)
    with interruptible():
        for concern in question.concerns():
            if concern.kind is not Care.LINK:
                look = f"{concern_in_words(concern, lock_screen=question.lock_screen)} ({places(concern.rows[:3], concern.count)})"
                say(f"Look at this: {look}.")
        if question.messages <= NUMBER_FROM:
            return agreed("Send?")
        return is_number(line("To send, type the number of recipients"), question.messages)


def is_number(answer: str, number: int) -> bool:
    """Whether an answer is this number, with or without a sign between its thousands."""
    answer = answer.strip()
    return _NUMBER.fullmatch(answer) is not None and int(re.sub(r"\D", "", answer)) == number


def plan_in_words(question: "Question", *, now: datetime) -> str:
    """What will happen, as one sentence. Times are of the schedule's own zone, which is this machine's unless another was asked for."""
    if question.to:
        return f"This sends 1 message, of {question.record.spec.list_name}, to the pass {question.to} alone."
    schedule = question.schedule
    start = max(now, schedule.start) if schedule.start is not None else now
    parts = [f"This sends {_messages(question)} of {question.record.spec.list_name}"]
    first = schedule.next_time(question.zones or ("",), now) or start
    if first > now:
        parts.append(f"from {_shown(first, question, now)} on")
    if rate := question.rate_per_second:
        seconds = max(1.0, question.messages / rate)
        parts.append(f"which takes about {words(seconds)} at {rate:g} a second{_until(question, seconds, start, now)}")
    if schedule.window is not None:
        where = "in each row's own time zone" if any(question.zones) else f"in {schedule.home}"
        parts.append(f"and only goes on from {str(schedule.window).replace('-', ' to ')} {where}")
    if schedule.end is not None:
        parts.append(f"and leaves out what is not sent before {_shown(schedule.end, question, now)}")
    if question.left_out:
        parts.append(
            f"and leaves out {question.left_out:,} of the list's rows, which {'are' if question.left_out > 1 else 'is'} invalid or skipped"
        )
    return f"{', '.join(parts)}."


def _messages(question: "Question") -> str:
    if question.messages < question.left:
        return f"{question.messages:,} of {question.left:,} messages to the passes"
    return "1 message to a pass" if question.messages == 1 else f"{question.messages:,} messages to the passes"


def _until(question: "Question", seconds: float, start: datetime, now: datetime) -> str:
    schedule = question.schedule
    if schedule.window is not None and any(question.zones):
        # It depends on how many passes there are in each zone.
        return ""
    end = ends_at(seconds, window=schedule.window, in_zone=schedule.home, start=start)
    if end is None or schedule.is_over(end):
        return ""
    return f", until about {_shown(end + timedelta(seconds=30), question, now)}"


def _shown(moment: datetime, question: "Question", now: datetime) -> str:
    home = question.schedule.home
    shown = moment_in_words(moment, now=now, in_zone=home)
    elsewhere = moment.astimezone(home).utcoffset() != moment.astimezone().utcoffset()
    return f"{shown} in {home}" if elsewhere else shown
