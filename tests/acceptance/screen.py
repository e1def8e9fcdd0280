"""The command on a terminal: a pseudo-terminal, and what a person would see on it."""

import codecs
import errno
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from dataclasses import dataclass, field
from typing import Final, Self

from tests import prefork
from tests.acceptance.desk import Desk

WIDTH: Final = 120
HEIGHT: Final = 50
_UNFINISHED: Final = re.compile(r"\x1b(\[[?\d;]*)?$|\x1b\][^\x07]*$")
"""The beginning of a control sequence, whose rest comes with the next read."""
_PARTS: Final = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|([\r\n])|([^\x1b\r\n]+)")


@dataclass
class Screen:
    """As much of a terminal as the command uses: it moves the cursor up and to the line's start, erases lines, and prints."""

    lines: list[str] = field(default_factory=lambda: [""])
    line: int = 0
    column: int = 0
    _unfinished: str = ""

    def feed(self, text: str) -> None:
        text = self._unfinished + text
        cut = _UNFINISHED.search(text)
        self._unfinished = cut[0] if cut else ""
        for found in _PARTS.finditer(text.removesuffix(self._unfinished)):
            numbers, command, control, plain = found.groups()
            if command == "A":
                self.line = max(0, self.line - int(numbers or 1))
            elif command == "K":
                self.lines[self.line] = "" if numbers == "2" else self.lines[self.line][: self.column]
            elif command:
                assert command in "mhl", found[0]
            elif control == "\r":
                self.column = 0
            elif control == "\n":
                self.line += 1
                self.lines += [""] * (self.line + 1 - len(self.lines))
            elif plain:
                before = self.lines[self.line].ljust(self.column)
                self.lines[self.line] = before[: self.column] + plain + before[self.column + len(plain) :]
                self.column += len(plain)

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


class Terminal:
    """A command with a terminal on all three of its streams; used as a context manager."""

    def __init__(self, desk: Desk, *words: str, **environment: str) -> None:
        self._controller, terminal = pty.openpty()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        environment = desk.environment | {"TERM": "xterm-256color"} | environment
        self.process = prefork.start(words, cwd=desk.folder, env=environment, streams=(terminal,) * 3, terminal=True)
        os.close(terminal)
        self.screen = Screen()
        self.raw = ""
        self.seen: list[str] = []
        """The screen after every read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._controller)

    def type(self, keys: str) -> None:
        os.write(self._controller, keys.encode())

    def until(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """Read on until the screen shows this."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, str(self.screen), re.MULTILINE)) is None:
            assert time.monotonic() < deadline, str(self.screen)
            assert self._read(), str(self.screen)
        return found

    def end(self, seconds: float = 60.0) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, str(self.screen)
        return self.process.wait(timeout=10)

    def _read(self) -> bool:
        if not select.select([self._controller], [], [], 1.0)[0]:
            return True
        try:
            data = os.read(self._controller, 65536)
        except OSError as error:
            assert error.errno == errno.EIO  # noqa: PT017 - what Linux answers once the other side is closed
            return False
        text = self._decoder.decode(data)
        self.raw += text
        self.screen.feed(text)
        self.seen.append(str(self.screen))
        return bool(data)
