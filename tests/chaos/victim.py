"""The real command in a process that is to die: `python -m tests.chaos.victim LEDGER MOMENT COUNT -- run LIST ...`.

LEDGER is the kind of the ledger, by `points.LedgerKind`. The process kills itself with SIGKILL when it passes the moment for the COUNT-th
time. As MOMENT, `none` lets it live, and `record` as well, but writes the names of the moments that it passed into `passed.txt`.
"""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from campaign.domain.batches import Size
from campaign.sender.batches.pool import BatchSettings
from tests.chaos.points import MOMENTS, LedgerKind, install

NONE: Final = "none"
RECORD: Final = "record"
ROWS_OF_A_BATCH: Final = 25
"""Few, so that a short list makes many batches, and a kill finds some of them at every step."""

REPORT_SECONDS: Final = 30.0
"""Long enough for several tries at a file that fails."""
TEMPO: Final[dict[tuple[str, str], Any]] = {
    ("campaign.sender.readback.verify", "AGAIN_SECONDS"): 0.5,
    ("campaign.sender.lease_keeper", "HEARTBEAT_SECONDS"): 0.7,
    ("campaign.ledger.{kind}.verification", "VERIFICATION_CLAIM_SECONDS"): 3.0,
    ("campaign.domain.batches", "MOST_RECIPIENTS"): ROWS_OF_A_BATCH,
    ("campaign.sender.batches.pool", "Size"): partial(Size, rows=ROWS_OF_A_BATCH),
    ("campaign.sender.batches.gateway", "DOWNLOAD_SECONDS"): 1.0,
    ("campaign.app.sending.send", "BatchSettings"): partial(BatchSettings, report_seconds=REPORT_SECONDS),
}
"""What is quicker than in the product, so that a thousand kills fit into half an hour. Nothing that the promise rests on."""

SHORT_LEASE_SECONDS: Final = 5.0
SHORT_LEASE: Final[dict[tuple[str, str], Any]] = {
    **{(f"campaign.ledger.{{kind}}.{module}", "LEASE_SECONDS"): SHORT_LEASE_SECONDS for module in ("base", "staging", "ledger")},
    ("campaign.sender.lease_keeper", "MARGIN_SECONDS"): 1.0,
}
"""In addition where the end of leases is waited for; set by CHAOS_SHORT_LEASE=1."""


def main(words: list[str]) -> None:
    ledger, moment, count, separator, *command = words
    if separator != "--":
        raise SystemExit(__doc__)
    kind = LedgerKind(ledger)
    set_tempo(kind, short_lease=os.environ.get("CHAOS_SHORT_LEASE") == "1")
    passed: set[str] = set()
    if moment == RECORD:
        install(kind, passed.add)
    elif moment != NONE:
        install(kind, killer(moment, int(count)))
    sys.argv = ["campaign", *command]
    try:
        importlib.import_module("campaign.__main__").main()
    finally:
        if moment == RECORD:
            Path("passed.txt").write_text("\n".join(sorted(passed)), encoding="utf-8")


def killer(moment: str, count: int) -> Callable[[str], None]:
    """Counts passes of one moment, and ends the process at the given one."""
    delay_seconds = MOMENTS[moment].delay_seconds
    left = count

    def passing(name: str) -> None:
        nonlocal left
        if name != moment:
            return
        left -= 1
        if left == 0:
            if delay_seconds:
                threading.Timer(delay_seconds, die).start()
            else:
                die()

    return passing


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def set_tempo(kind: LedgerKind, *, short_lease: bool) -> None:
    """Raises AttributeError if the product has no such constant any more."""
    for (module_name, name), value in (TEMPO | (SHORT_LEASE if short_lease else {})).items():
        module = importlib.import_module(module_name.format(kind=kind))
        getattr(module, name)
        setattr(module, name, value)


if __name__ == "__main__":
    main(sys.argv[1:])
