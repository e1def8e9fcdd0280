"""Where one campaign happens: a folder with list and ledger, the simulator in a process of its own, and the command."""

import csv
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from campaign.simulator.config import ENTITY, Latency, Storm
from tests import prefork
from tests.chaos.ledgers import Kept
from tests.chaos.plan import LATE_SECONDS, QUIET_SECONDS, TIMEOUT_SECONDS, Death, Lifecycle, Plan
from tests.chaos.victim import NONE
from tests.simulator_client import SimulatorClient

ROOT: Final = Path(__file__).parents[2]
MESSAGE: Final = "Hi {{ first_name }}, {{ code }} gives 20 % off"
LATENCY: Final = Latency(low_seconds=0.002, high_seconds=0.04)
FAULTS_OF_SETTINGS: Final = {"slow_seconds": 0.3, "hang_seconds": 5.0, "huge_bytes": 400_000, "deep_levels": 20_000, "retry_after": "0.3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """`text` is what the row's pass is to get; empty if the row can't be sent."""

    row: int
    pass_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    folder: Path
    rows: tuple[ListRow, ...]
    simulator: SimulatorClient
    plan: Plan
    kept: Kept

    @property
    def results(self) -> Path:
        return self.folder / "list.results.csv"

    @property
    def failed(self) -> Path:
        return self.folder / "list.results.failed.csv"

    @property
    def audit_file(self) -> Path:
        return self.folder / "audit.jsonl"

    def start(self, life: Lifecycle) -> subprocess.Popen[str]:
        """The command in a process of its own; what it prints is kept in the folder."""
        moment, count = (life.moment, life.count) if life.death is Death.AT_MOMENT else (NONE, 0)
        words = ("run", "list.csv", "--message", MESSAGE, "--yes", "--json")
        with self.output(life, "out").open("wb") as out, self.output(life, "err").open("wb") as err, Path(os.devnull).open("rb") as nothing:
            return prefork.start(
                (self.kept.kind, moment, str(count), "--", *words),
                cwd=self.folder,
                env=self._environment(life),
                streams=(nothing.fileno(), out.fileno(), err.fileno()),
                module="tests.chaos.victim",
            )

    def output(self, life: Lifecycle, kind: str) -> Path:
        return self.folder / f"life-{life.number:04}.{kind}"

    def _environment(self, life: Lifecycle) -> dict[str, str]:
        plan = self.plan
        machine = f"machine-{life.number}" if plan.apart else "machine"
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "CAMPAIGN_LEDGER": self.kept.address,
            # By what is in there the processes of one machine know of each other's death.
            "XDG_DATA_HOME": str(self.folder / machine),
            "CAMPAIGN_RATE": str(plan.rate_per_second),
            "CAMPAIGN_MAX_ATTEMPTS": str(plan.max_attempts),
            "CAMPAIGN_BASELINE": str(plan.baseline).lower(),
            "CAMPAIGN_VIA": life.via,
            "CAMPAIGN_ENTITY": ENTITY,
            "CAMPAIGN_QUIET_PERIOD": f"{QUIET_SECONDS:g}s",
            "CAMPAIGN_TIMEOUT": f"{TIMEOUT_SECONDS:g}s",
            "PASSENTRY_API_URL": self.simulator.url,
            "PASSENTRY_API_KEY": "a-token-for-the-simulator",
            "CHAOS_SHORT_LEASE": str(int(plan.has_short_leases)),
        }


@contextmanager
def world(plan: Plan, folder: Path, kept: Kept) -> Iterator[World]:
    """Everything that a campaign needs, and the simulator running; the folder is left as it is."""
    luck = random.Random(f"{plan.seed} list")
    rows = tuple(_rows(luck, plan.rows))
    with (folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file)
        write.writerow(["pass_id", "first_name", "code"])
        write.writerows([row.pass_id, f"Name {row.row}", f"C{row.row}"] for row in rows)
    with _simulator(plan, folder / "audit.jsonl") as simulator:
        for row in rows:
            # Some passes hold a message of somebody else's already.
            if row.text and luck.random() < 0.03:
                simulator.set_pass(row.pass_id, latest_message=f"Welcome, {row.row}")
        yield World(folder=folder, rows=rows, simulator=simulator, plan=plan, kept=kept)


def text_of(row: int) -> str:
    """What MESSAGE makes of a row."""
    return f"Hi Name {row}, C{row} gives 20 % off"


def _rows(luck: random.Random, count: int) -> Iterator[ListRow]:
    ids: list[str] = []
    for row in range(1, count + 1):
        chance = luck.random()
        if chance < 0.005:
            yield ListRow(row=row, pass_id="", text="")
        elif chance < 0.02 and ids:
            yield ListRow(row=row, pass_id=luck.choice(ids), text="")
        else:
            ids.append(_pass_id(luck, row))
            yield ListRow(row=row, pass_id=ids[-1], text=text_of(row))


def _pass_id(luck: random.Random, row: int) -> str:
    match luck.randrange(4):
        case 0:
            return f"{luck.getrandbits(160):040x}"
        case 1:
            return f"customer {row}/a?b=1#c%2F"
        case _:
            return f"pass-{row:05}"


@contextmanager
def _simulator(plan: Plan, audit_file: Path) -> Iterator[SimulatorClient]:
    faults = [word for fault, share in plan.faults.items() for word in ("--fault", f"{fault}={share}")]
    numbers = ("--port", "0", "--limit", str(round(plan.rate_per_second * 1.1) + 10), "--seed", str(plan.simulator_seed))
    words = ("simulate", *numbers, "--audit-file", str(audit_file), "--json", *faults)
    process = prefork.start(words, cwd=ROOT, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)})
    try:
        assert process.stdout is not None
        client = SimulatorClient(json.loads(process.stdout.readline())["url"])
        storms = tuple(Storm(after_seconds=after, seconds=seconds, retry_after=said) for after, seconds, said in plan.storms)
        client.set_faults(
            late_seconds=LATE_SECONDS,
            latency=LATENCY,
            read_latency=LATENCY,
            storms=storms,
            batch_faults=plan.batch_faults,
            **FAULTS_OF_SETTINGS,
        )
        yield client
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
