"""`make chaos`: campaigns whose processes are killed again and again, each judged by the simulator's own audit.

python -m tests.chaos [--seed N] [--ledger sqlite|postgres|both] [--via single|batch|both] [--kills 1000] [--rows 2000] [--json]

With each ledger and each way of sending in turn, by batches with a fifth of the kills. What befalls the server of a database, too, is drawn
from the seed. It fixes lists, faults, and which process dies when; of two runs with one seed only what depends on the machine's timing
differs.
Ends with 1 if anything was sent twice, lost or recorded wrongly, and keeps that campaign's folder.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from campaign.settings import Via
from tests.chaos.plan import Wishes
from tests.chaos.points import LedgerKind
from tests.chaos.report import in_words
from tests.chaos.session import Limits, hold

RATES: Final = {Via.SINGLE: 400.0, Via.BATCH: 20.0}
FEWER_BY_BATCHES: Final = 5


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="repeats a run; without it, one is drawn and printed")
    parser.add_argument("--ledger", choices=[*LedgerKind, "both"], default="both")
    parser.add_argument("--via", choices=[*Via, "both"], default="both")
    parser.add_argument("--kills", type=int, default=1000, help="in all, with each ledger")
    parser.add_argument("--kills-each", type=int, default=50, help="planned for one campaign")
    parser.add_argument("--rows", type=int, default=2000, help="of each list")
    parser.add_argument("--rate", type=float, help="sends per second: 400, and 20 by batches")
    parser.add_argument("--together", type=int, default=4, help="most processes at once")
    parser.add_argument("--ambiguous", type=float, default=2.0, help="percent, of each of the ambiguous faults")
    parser.add_argument("--freezes", type=float, default=0.0, help="percent of processes that are stopped for longer than a short lease")
    parser.add_argument("--blows", type=float, default=30.0, help="percent of processes during whose life something befalls the server")
    parser.add_argument("--seconds", type=float, default=300.0, help="after which a campaign that is not finished is a failure")
    parser.add_argument("--campaign", type=int, help="only this one of the session")
    parser.add_argument("--keep", action="store_true", help="keep every campaign's folder")
    parser.add_argument("--json", action="store_true", help="one object for each ledger, on a line of its own")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    say(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="campaign-chaos-"))
    kinds = tuple(LedgerKind) if asked.ledger == "both" else (LedgerKind(asked.ledger),)
    ways = tuple(Via) if asked.via == "both" else (Via(asked.via),)
    broke = [kind for kind in kinds for via in ways if _breaks(asked, seed, kind, via, folder)]
    if not broke and not asked.keep:
        shutil.rmtree(folder)
    return 1 if broke else 0


def _breaks(asked: argparse.Namespace, seed: int, kind: LedgerKind, via: Via, folder: Path) -> bool:
    """Hold the session with one kind of ledger and one way of sending, and print its figures."""
    kills = asked.kills // FEWER_BY_BATCHES if asked.via == "both" and via is Via.BATCH else asked.kills
    wishes = Wishes(
        seed=seed,
        ledger=kind,
        via=via,
        rows=asked.rows,
        rate_per_second=asked.rate or RATES[via],
        kills=asked.kills_each,
        most_together=asked.together,
        ambiguous=asked.ambiguous / 100,
        freezes=asked.freezes / 100,
        blows=asked.blows / 100,
    )
    limits = Limits(kills=kills, seconds=asked.seconds, only=asked.campaign, keep=asked.keep)
    session, broken = hold(wishes, limits, folder, say)
    sys.stdout.write(json.dumps(session.as_json()) + "\n" if asked.json else f"{in_words(session)}\n")
    sys.stdout.flush()
    if broken:
        options = {
            name: value
            for name, value in vars(asked).items()
            if value and name not in {"json", "keep", "seed", "campaign", "ledger", "via"}
        }
        again = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())
        say(f"Broken: campaigns {', '.join(map(str, broken))} in {folder}. To repeat one:")
        say(f"python -m tests.chaos --ledger {kind} --via {via} --seed {seed} {again} --campaign {broken[0]}")
    return bool(broken)


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
