"""The command on a terminal of its own."""

import os
import pty
import select
import time
from pathlib import Path

from tests.prefork import PYTHON


def on_a_terminal(words: tuple[str, ...], *, folder: Path, environment: dict[str, str], answers: dict[bytes, bytes]) -> tuple[int, bytes]:
    """The exit code, and every byte that the terminal was told; each answer is typed once its question has come."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(PYTHON, [PYTHON, "-m", "campaign", *words], environment)  # noqa: S606 - the command itself
    told, waiting, deadline = b"", dict(answers), time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # what Linux says once the other side is gone
            break
        if not data:
            break
        told += data
        for question in [question for question in waiting if question in told]:
            os.write(terminal, waiting.pop(question))
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), told
