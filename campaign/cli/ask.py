"""Asks a person on a terminal whether to send: one sentence that says what will happen, the first message, and what to look at."""

import sys
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import typer

from campaign.app.plan import NUMBER_FROM, is_number, plan_in_words
from campaign.domain.message_lint import LintKind

if TYPE_CHECKING:
    from campaign.app.question import Question


def agree(warning: str, question: str) -> bool:
    """Whether a person agrees, having read the warning; no where there is nobody to ask.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    from campaign.cli.signals import interruptible
    from campaign.cli.typed import agreed
    from campaign.reporter.lines import WIDTH, wrapped
    from campaign.reporter.reasons import printable

    if not sys.stdin.isatty():
        return False
    typer.echo("\n".join(wrapped(printable(warning), width=min(WIDTH, get_terminal_size().columns))), err=True)
    with interruptible():
        return agreed(question)


def confirm(question: "Question") -> bool:
    """Whether a person agrees.

    Raises:
        UsageError: there is nobody to ask.
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    from campaign.app.question import new_in_words
    from campaign.cli.signals import interruptible
    from campaign.cli.typed import agreed, line
    from campaign.domain.errors import UsageError
    from campaign.reporter.lines import WIDTH, wrapped
    from campaign.reporter.reasons import concern_in_words, printable

    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on. Add --yes to send without being asked; nothing was sent.", code="no_terminal")
    width = min(WIDTH, get_terminal_size().columns)

    def say(sentence: str) -> None:
        typer.echo("\n".join(wrapped(printable(sentence), width=width)), err=True)

    reads = "It reads:" if question.messages == 1 else "The first one reads:"
    if question.new_ledger:
        say(new_in_words(question.new_ledger))
    say(f"{plan_in_words(question, now=datetime.now(UTC))} {reads}")
    typer.echo(f"  {printable(question.first)}", err=True)
    with interruptible():
        for concern in question.concerns():
            if concern.kind is not LintKind.LINK:
                where = concern.where(question.record.spec.lines, most=3)
                say(f"Look at this: {concern_in_words(concern, lock_screen=question.lock_screen)}: {where}.")
        if question.messages <= NUMBER_FROM:
            return agreed("Send?")
        return is_number(line("To send, type the number of recipients"), question.messages)
