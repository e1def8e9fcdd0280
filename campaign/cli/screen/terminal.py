"""Talks to a person at the terminal: prompts, the question before anything is sent, and Ctrl-C.

After the first Ctrl-C, SIGTERM or closed terminal, no new sends begin, and those in flight settle. The second ends the process at once.
"""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Final

import typer

from campaign.app.confirmation import NUMBER_FROM, is_number, plan_in_words
from campaign.cli.logs.setup import tell
from campaign.domain.errors import UsageError
from campaign.domain.lists.lint_findings import LintKind
from campaign.domain.text.lines import WIDTH, sanitize_for_terminal, wrapped
from campaign.loader.source import STOP_CODE
from campaign.sender.stop import StopRequest

if TYPE_CHECKING:
    from campaign.app.confirmation import Question


_LOOK_SECONDS: Final = 0.2


def prompt(prompt: str) -> str:
    """The line that a person types after a prompt, without its end.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    try:
        typer.echo(f"{prompt}: ", nl=False, err=True)
        if sys.platform != "win32":
            # A signal right before a read begins does not interrupt the read, and its handler would wait for Enter.
            while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
                pass
        typed = sys.stdin.readline()
    except KeyboardInterrupt:
        # Ctrl-C leaves the cursor behind the question.
        typer.echo(err=True)
        raise
    if not typed:
        raise KeyboardInterrupt
    return typed.rstrip("\r\n")


def ask_yes_no(question: str) -> bool:
    """Whether the answer is yes; asks until it is yes or no. Enter alone is no. Raises KeyboardInterrupt as `prompt` does."""
    while True:
        match prompt(f"{question} [y/N]").strip().lower():
            case "y" | "yes":
                return True
            case "" | "n" | "no":
                return False
            case _:
                typer.echo("Type y or n.", err=True)


def require_agreement(question: str, to_do: str) -> None:
    """Ask a person before something is changed for good; `to_do` says what --yes would do.

    Raises:
        UsageError: there is no person to ask, or the answer is no.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to confirm on. Nothing was changed. Add --yes to {to_do} without confirmation.", code="no_terminal"
        )
    try:
        agreed = ask_yes_no(sanitize_for_terminal(question))
    except KeyboardInterrupt:
        raise typer.Abort from None
    if not agreed:
        raise UsageError("Nothing was changed.", code="not_agreed")


def agree(warning: str, question: str) -> bool:
    """Whether a person agrees after a warning; False if there is no person to ask.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    if not sys.stdin.isatty():
        return False
    typer.echo("\n".join(wrapped(sanitize_for_terminal(warning), width=min(WIDTH, get_terminal_size().columns))), err=True)
    with interruptible():
        return ask_yes_no(question)


def confirm(question: "Question") -> bool:
    """Whether a person agrees.

    Raises:
        UsageError: there is no person to ask.
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    from campaign.app.confirmation import new_in_words
    from campaign.domain.text.reasons import finding_in_words

    if not sys.stdin.isatty():
        raise UsageError(
            "There is no terminal to confirm on. Nothing was sent. Add --yes to send without confirmation.", code="no_terminal"
        )
    width = min(WIDTH, get_terminal_size().columns)

    def say(sentence: str) -> None:
        typer.echo("\n".join(wrapped(sanitize_for_terminal(sentence), width=width)), err=True)

    reads = "It reads:" if question.messages == 1 else "The first one reads:"
    if question.new_ledger:
        say(new_in_words(question.new_ledger))
    say(f"{plan_in_words(question, now=datetime.now(UTC))} {reads}")
    typer.echo(f"  {sanitize_for_terminal(question.first)}", err=True)
    with interruptible():
        for finding in question.findings():
            if finding.kind is not LintKind.LINK:
                where = finding.where(question.record.spec.lines, most=3)
                say(f"Check this: {finding_in_words(finding, lock_screen=question.lock_screen)}: {where}.")
        if question.messages <= NUMBER_FROM:
            return ask_yes_no("Send?")
        return is_number(prompt("To send, type the number of recipients"), question.messages)


AT_ONCE_SECONDS: Final = 1.0
"""The time after a second signal to record that the sends under way are unknown; without it the next run would find that out."""


STOPPING: Final = "Stopping: no new sends; waiting up to 10 s for those under way. {again} to stop at once."


def listen(saying: str = STOPPING) -> StopRequest:
    """A `StopRequest` that the process's signals set; the first signal is reported by `saying`. Called inside the event loop.

    `{again}` in it becomes how to give a second signal.
    """
    stop = StopRequest()
    # The thread that waits for a list from a pipe checks this.
    STOP_CODE.set(lambda: stop.exit_code if stop.gently.is_set() else 0)
    loop = asyncio.get_running_loop()
    for number in _handled():
        loop.add_signal_handler(number, _stop_requested, stop, number, saying)
    return stop


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals end the process in the usual way while a person is asked and nothing is under way."""
    before = {number: signal.getsignal(number) for number in _handled()}
    # Else the event loop, which is told of signals by this, would also stop a run that has not begun.
    loop = signal.set_wakeup_fd(-1)
    for number in before:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(loop)


def _handled() -> list[signal.Signals]:
    """The signals that stop a run. A closed terminal is one, except for a process under nohup."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def _stop_requested(stop: StopRequest, number: signal.Signals, saying: str) -> None:
    if stop.gently.is_set():
        stop.now.set()
        asyncio.get_running_loop().call_later(AT_ONCE_SECONDS, os._exit, stop.exit_code)
        return
    stop.exit_code = 128 + number
    stop.gently.set()
    tell("stopping", saying.format(again="Press Ctrl-C again" if sys.stdin.isatty() else "Send the signal again"))
