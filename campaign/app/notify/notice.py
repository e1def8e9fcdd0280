"""Tells people how a run ended, through Apprise (mail, Slack, Teams, webhooks), after everything else is done.

A separate process sends them. If a service or its library hangs, crashes or prints secrets, this process kills it after a time and goes
on.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from types import FrameType
from typing import Final, assert_never

import orjson
from pydantic import SecretStr

from campaign.app.summary import in_brief
from campaign.domain.errors import CampaignError, InputError, LedgerError, UsageError
from campaign.domain.notices import Occasion, service_of
from campaign.domain.text.lines import sanitize_for_terminal
from campaign.insights import CampaignView

LIMIT_SECONDS: Final = 15.0
"""The time limit for all notices together, including the start of the process."""

_HEEDED: Final = (signal.SIGINT, signal.SIGTERM) if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    title: str
    text: str
    occasion: Occasion


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The result of a notice to one address; `why` is empty if it was accepted. The address is a secret, so only its service is named."""

    number: int
    service: str
    why: str


def check_notices(addresses: Sequence[SecretStr]) -> None:
    """Check, before a run begins, that notices can be sent; raises UsageError if Apprise is not installed."""
    if addresses and find_spec("apprise") is None:
        raise UsageError(
            "Notices need Apprise, which is not installed: pip install 'campaign[notify]'. Or unset CAMPAIGN_NOTIFY.",
            code="extra_missing",
            extra="notify",
        )


def notice_of(view: CampaignView, occasion: Occasion, *, run: str) -> Notice:
    """A notice with the counts of a run that ended."""
    name = sanitize_for_terminal(view.record.spec.name)
    return Notice(title=f"{name}: {_headline(occasion)}", text=f"{in_brief(view)}\n\n{_place(run)}", occasion=occasion)


def notice_of_error(error: BaseException, campaign: str, occasion: Occasion, *, run: str, log: str) -> Notice:
    """A notice about a run that failed. It leaves out errors about lists, which quote columns: without a header these are customers' data.

    `run` is the run's id, to find it in the log file `log`, which is empty if there is none.
    """
    match error:
        case LedgerError():
            what = sanitize_for_terminal(str(error))
        case InputError() | UsageError():
            what = "Its list, its message or one of its options can't be used. Nothing was sent."
        case CampaignError():
            what = "It broke off. What was sent is safe in the ledger."
        case _:
            what = f"There is a fault in the program ({type(error).__name__}). What was sent is safe in the ledger."
    name = sanitize_for_terminal(campaign)
    more = f"The whole sentence is in {sanitize_for_terminal(log) if log else 'the log'}."
    return Notice(title=f"{name}: {_headline(occasion)}", text=f"Campaign {name}: {what} {more}\n\n{_place(run)}", occasion=occasion)


def deliver(notice: Notice, addresses: Sequence[SecretStr], *, secret: str, limit_seconds: float = LIMIT_SECONDS) -> list[Delivery]:
    """Send a notice to all addresses at the same time. Never raises, and returns within the limit; Ctrl-C or SIGTERM end the wait.

    `addresses` are Apprise's. `secret` is the token, which is masked in the notice.
    """
    plain = [address.get_secret_value() for address in addresses]
    text, title = (without_secret(part, secret) for part in (notice.text, notice.title))
    try:
        said = _ask(orjson.dumps({"addresses": plain, "title": title, "text": text, "kind": _kind(notice.occasion)}), limit_seconds)
    except Exception as error:  # noqa: BLE001 - the run is over, and no error may change its exit code
        said = dict.fromkeys(range(len(plain)), f"the process that sends them could not be started: {type(error).__name__}")
    late = "there was no answer in time"
    return [Delivery(number=number + 1, service=service_of(address), why=said.get(number, late)) for number, address in enumerate(plain)]


def without_secret(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def _ask(task: bytes, limit_seconds: float) -> dict[int, str]:
    """The process's answer for each address, as far as answers came."""
    # The process must find this package in the same way as this one, and must not get the token.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PASSENTRY_", "CAMPAIGN_"))}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "campaign.app.notify.deliver"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C does not reach it, and `_kill` also ends the processes that it starts.
        start_new_session=True,
    )
    timer = threading.Timer(limit_seconds, _kill, (process,))
    with process, _enough(process):
        timer.start()
        try:
            if process.stdin is not None:
                with suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(task)
            return dict(_answers(process.stdout or ()))
        finally:
            timer.cancel()
            _kill(process)


def _answers(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            found = orjson.loads(line)
            yield int(found["number"]), str(found["why"])


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _enough(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A signal ends the notices, and does not change the command's exit code."""

    def heard(_number: int, _frame: FrameType | None) -> None:
        _kill(process)

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread can handle signals.
        yield
        return
    before = {number: signal.getsignal(number) for number in _HEEDED}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, heard)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _headline(occasion: Occasion) -> str:
    match occasion:
        case Occasion.FINISHED:
            return "finished"
        case Occasion.FAILED:
            return "needs attention"
        case Occasion.STOPPED:
            return "stopped with rows left"
        case _:
            assert_never(occasion)


def _kind(occasion: Occasion) -> str:
    """Apprise's type of notice, by which services choose a colour."""
    match occasion:
        case Occasion.FINISHED:
            return "success"
        case Occasion.FAILED:
            return "warning"
        case Occasion.STOPPED:
            return "failure"
        case _:
            assert_never(occasion)


def _place(run: str) -> str:
    return f"On {socket.gethostname()}, run {run}."
