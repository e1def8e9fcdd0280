"""The command as people run it: a process of its own, against the simulator in another."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import prefork
from tests.simulator_client import SimulatorClient

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"


def events(log: str) -> list[dict[str, Any]]:
    """The events of a log, and nothing of what else was said."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def broke_off(log: str) -> str:
    """The code of the error that a run ended with."""
    return next(str(event["code"]) for event in events(log) if event["event"] == "run_broke_off")


@dataclass
class Desk:
    """A folder with a ledger, and the simulator that its command talks to."""

    folder: Path
    simulator: SimulatorClient
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, str] = ("-m", "campaign")

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        if self.program == ("-m", "campaign"):
            return prefork.start(words, cwd=self.folder, env=self.environment | environment)
        return subprocess.Popen(
            [sys.executable, *self.program, *words],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **environment)
        try:
            out, err = process.communicate(timeout=90)
        finally:
            process.kill()
        if code is not None:
            assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *words: str, code: int | None = 0, **environment: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*words, "--json", code=code, **environment).stdout)
        return found

    def make_list(self, rows: int, name: str = "list.csv") -> Path:
        path = self.folder / name
        path.write_text("pass_id,first_name\n" + "".join(f"pass-{row:05},Name {row}\n" for row in range(1, rows + 1)), encoding="utf-8")
        return path

    def until(self, process: "subprocess.Popen[str]", happens: Callable[[], object]) -> None:
        """Waits for what a process that goes on is about to do; fails by the test's own time limit."""
        while not happens():
            assert process.poll() is None
            time.sleep(0.05)

    def sent(self) -> dict[str, list[str]]:
        """What the simulator really processed: texts by pass."""
        found: dict[str, list[str]] = {}
        for notification in self.simulator.audit():
            found.setdefault(notification.id, []).append(notification.message)
        return found
