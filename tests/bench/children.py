"""Processes that are measured: each figure's work is done in one of its own, so that neither its memory nor its loop is shared."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.machine import ROOT

TOKEN: Final = "bench"
LONGEST_SECONDS: Final = 1800.0
"""For which any child is waited for."""
ENDS_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a command took; `peak_mb` is its resident memory at most."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    code: int


def campaign(*words: str) -> list[str]:
    return [sys.executable, "-m", "campaign", *words]


def module(name: str, *words: str) -> list[str]:
    """A module of tests/bench as a command."""
    return [sys.executable, "-m", f"tests.bench.{name}", *words]


def environment(ledger: Path, *, url: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """Nothing of the caller's settings; on the ledger, and towards the URL."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    own = {"PYTHONPATH": str(ROOT), "CAMPAIGN_LEDGER": str(ledger), "PASSENTRY_API_URL": url, "PASSENTRY_API_KEY": TOKEN}
    return inherited | own | more


def spent(words: Sequence[str], given: Mapping[str, str], *, folder: Path, codes: Sequence[int] = (0,), one_core: bool = False) -> Spent:
    """Run a command to its end. On one core, its threads too share that core.

    Raises:
        RuntimeError: it ended with another exit code; says what it said.
    """
    shim = module("spent", *(["--one-core"] if one_core else []), *words)
    ended = subprocess.run(shim, env=given, cwd=folder, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=True)
    found = Spent(**json.loads(ended.stdout))
    if found.code not in codes:
        raise RuntimeError(f"{' '.join(words)} ended with {found.code}:\n{ended.stderr[-2000:]}")
    return found


def told(words: Sequence[str], given: Mapping[str, str]) -> Any:
    """What a module that prints one JSON value found."""
    ended = subprocess.run(words, env=given, stdout=subprocess.PIPE, timeout=LONGEST_SECONDS, check=True)
    return json.loads(ended.stdout)


@contextmanager
def running(words: Sequence[str], given: Mapping[str, str], *, stdout: int = subprocess.DEVNULL) -> "Iterator[subprocess.Popen[str]]":
    """A process for the length of the block; killed at its end, as it may be one that ends by nothing else."""
    process = subprocess.Popen(words, env=given, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(ENDS_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
