"""How the commands that this console started have ended, from what they left: their log, and what they said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from campaign.console.launch import Launch
from campaign.reporter.reasons import printable

TAIL_BYTES: Final = 65_536
MOST_SENTENCES: Final = 6
_VERBS: Final = {
    "run": "campaigns.verb.run",
    "resume": "campaigns.verb.resume",
    "retry": "campaigns.verb.retry",
    "verify": "campaigns.verb.verify",
    "test": "campaigns.verb.test",
}
_SPEAKER: Final = "campaign: "
_SUMMARY: Final = "Campaign "
_BAD: Final = frozenset({1, 2, 4})
"""Exit codes of what went wrong; of a pause, a closed window or a Ctrl-C the campaign's own state tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`exit_code` is None while it runs, and of one that was killed. `sentences` are its last ones, for who may read the whole campaign."""

    launch: Launch
    running: bool
    exit_code: int | None
    sentences: tuple[str, ...]

    @property
    def verb_text(self) -> str:
        """The key of what pages call the command."""
        return _VERBS[self.launch.verb]

    @property
    def failed(self) -> bool:
        """Something went wrong with it."""
        return self.killed or self.exit_code in _BAD

    @property
    def killed(self) -> bool:
        """It left no word of how it ended."""
        return not self.running and self.exit_code is None and not self.sentences


def outcome(launch: Launch) -> Outcome:
    """How a command has ended, or that it has not. To be called in a thread: it reads files."""
    running = launch.running()
    code = None if running else _exit_code(_tail(launch.log))
    said = list(_said(_tail(launch.said)))
    if not running and code is None and said:
        # What is wrong with its words is told before there is a log, and nothing was sent.
        code = 2
    return Outcome(launch=launch, running=running, exit_code=code, sentences=tuple(said[-MOST_SENTENCES:]))


def _exit_code(lines: Iterable[str]) -> int | None:
    code = None
    for line in lines:
        try:
            event: Any = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict) and event.get("event") in {"run_ended", "run_broke_off"} and isinstance(event.get("exit_code"), int):
            code = event["exit_code"]
    return code


def _said(lines: Iterable[str]) -> Iterator[str]:
    """What it told of problems, and of what it did not do and why; not its summary, which the page shows itself."""
    summary = False
    for line in lines:
        # The summary begins with the campaign's name, and all that is told after it is a part of it.
        summary = summary or line.startswith(_SUMMARY)
        if line.startswith(_SPEAKER):
            yield printable(line.removeprefix(_SPEAKER)).strip()
        elif line.strip() and not summary:
            yield printable(line).strip()


def _tail(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - TAIL_BYTES))
            return opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
