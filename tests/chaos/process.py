"""One process of a campaign, and the signals that it is sent; and how far the campaign has come."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.chaos.plan import Death, Lifecycle

FROZEN_SECONDS: Final = 8.0
"""Longer than the short lease of `victim.SHORT_LEASE`."""


class Process:
    """One life as it goes.

    Args:
        popen: its process.
        life: what is planned for it.
        messages: how many were processed before it began.
        says: where its stderr goes.
    """

    def __init__(self, popen: subprocess.Popen[str], life: Lifecycle, *, messages: int, says: Path) -> None:
        self._popen = popen
        self._says = says
        self._speaks_since: int | None = None
        self.life = life
        self._messages = messages
        self._began = time.monotonic()
        self._interrupted = False
        self._frozen_at: float | None = None
        self.was_frozen = False
        self.cause = life.moment or life.death.value
        self.strike = life.strike

    @property
    def code(self) -> int:
        return int(self._popen.returncode)

    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def is_struck(self, messages: int) -> bool:
        """Whether what befalls the ledger during its life is due; it stays so until `strike` is taken away."""
        due, seconds = self.strike, time.monotonic() - self._began
        return due is not None and (self.has_ended() or messages - self._messages >= due.messages or seconds >= due.seconds)

    def disturb(self, messages: int) -> None:
        """Send it the signals that are due.

        Args:
            messages: how many were processed so far.
        """
        life, now = self.life, time.monotonic()
        passed = messages - self._messages
        if life.death is Death.FREEZE:
            self._freeze(passed, now)
        elif life.interrupted is not None and not self._interrupted and self._sent(messages) >= life.interrupted:
            self._interrupted = True
            self._popen.send_signal(signal.SIGTERM)
        elif passed >= life.messages or now - self._began >= life.seconds:
            if life.death is Death.AT_MOMENT:
                self.cause = Death.AFTER_MESSAGES if passed >= life.messages else Death.AFTER_SECONDS
            self._popen.kill()

    def _sent(self, messages: int) -> int:
        """How many messages were processed since it first said that one of its own was settled."""
        if self._speaks_since is None and self._says.stat().st_size:
            self._speaks_since = messages
        return -1 if self._speaks_since is None else messages - self._speaks_since

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def _freeze(self, passed: int, now: float) -> None:
        if self._frozen_at is None and passed >= self.life.messages:
            self._frozen_at = now
            self.was_frozen = True
            self._popen.send_signal(signal.SIGSTOP)
        elif self._frozen_at is not None and now - self._frozen_at >= FROZEN_SECONDS:
            self._frozen_at = float("inf")
            self._popen.send_signal(signal.SIGCONT)


class Messages:
    """How many the simulator has processed, read off its audit file: cheap enough to be asked every few milliseconds."""

    def __init__(self, audit_file: Path) -> None:
        self._descriptor = os.open(audit_file, os.O_RDONLY)
        self._count = 0

    def count(self) -> int:
        while chunk := os.read(self._descriptor, 1 << 16):
            self._count += chunk.count(b"\n")
        return self._count

    def close(self) -> None:
        os.close(self._descriptor)
