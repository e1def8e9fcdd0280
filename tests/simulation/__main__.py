"""`make simulate`: whole campaigns with every fault, in virtual time, each from a seed; and one of them again, step by step."""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation.audit import Violation
from tests.simulation.bugs import BUGS
from tests.simulation.plan import plan
from tests.simulation.session import Tally, session, simulated


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="simulate this one campaign, and print each step")
    parser.add_argument("--first", type=int, default=1, help="the first seed of many (default %(default)s)")
    parser.add_argument("--campaigns", type=int, help="how many")
    parser.add_argument("--minutes", type=float, help="for how long (default 1, unless --campaigns is given)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at once (default %(default)s)")
    parser.add_argument("--bug", choices=sorted(BUGS), default="", help="with this deliberate bug in the code, until it is found")
    parser.add_argument("--bugs", action="store_true", help="with each deliberate bug in turn")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    given = parser.parse_args()
    if given.seed is not None:
        return _again(given.seed, given.bug)
    if given.bugs:
        return _prove(given)
    minutes = 1.0 if given.minutes is None and given.campaigns is None else given.minutes
    seconds = None if minutes is None else 60 * minutes
    began = shown = time.monotonic()
    tally = Tally()
    shown_seeds: set[int] = set()
    for tally in session(given.first, campaigns=given.campaigns, seconds=seconds, processes=given.processes, bug=given.bug):
        if given.bug and tally.violations:
            break
        if not given.json:
            # At once: an hour is long, and may be broken off.
            _show_violations({seed: found for seed, found in tally.violations.items() if seed not in shown_seeds})
            shown_seeds |= tally.violations.keys()
        if not given.json and time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f"{tally.campaigns:,} campaigns, {len(tally.violations)} with violations", flush=True)
    _show(tally, time.monotonic() - began, as_json=given.json)
    return bool(tally.violations)


def _again(seed: int, bug: str) -> int:
    print(plan(seed))
    with tempfile.TemporaryDirectory() as folder, BUGS[bug]() if bug else tempfile.TemporaryDirectory():
        found = simulated(seed, Path(folder), trace=print)
    for violation in found.violations.get(seed, []):
        print(f"{violation.kind.value}: {violation.words}")
    print(f"{len(found.violations.get(seed, []))} violations")
    return bool(found.violations)


def _prove(given: argparse.Namespace) -> int:
    """Each bug must be found."""
    missed = 0
    for bug in BUGS:
        most, tally = given.campaigns or 1000, Tally()
        for tally in session(given.first, campaigns=most, seconds=None, processes=given.processes, bug=bug):
            if tally.violations:
                break
        if seeds := sorted(tally.violations):
            first = tally.violations[seeds[0]][0]
            print(f"{bug}: found by campaign {seeds[0] - given.first + 1}, {first.kind.value}: {first.words}", flush=True)
        else:
            missed += 1
            print(f"{bug}: NOT FOUND in {tally.campaigns:,} campaigns", flush=True)
    return bool(missed)


def _show(tally: Tally, seconds: float, *, as_json: bool) -> None:
    if as_json:
        violations = {
            seed: [f"{violation.kind.value}: {violation.words}" for violation in found] for seed, found in tally.violations.items()
        }
        summary = {
            "campaigns": tally.campaigns,
            "seconds": round(seconds, 1),
            "simulated_hours": round(tally.virtual_seconds / 3600, 1),
            "requests": tally.requests,
            "happened": dict(sorted(tally.happened.items())),
            "faults": dict(sorted(tally.faults.items())),
            "violations": violations,
        }
        print(json.dumps(summary))
        return
    hours = tally.virtual_seconds / 3600
    print(f"{tally.campaigns:,} campaigns in {seconds:,.0f} s, {hours:,.0f} simulated hours, {tally.requests:,} requests")
    for name, counts in (("events", tally.happened), ("faults", tally.faults)):
        print(f"{name}: " + ", ".join(f"{kind} {number:,}" for kind, number in sorted(counts.items())))
    print(f"{len(tally.violations)} campaigns with violations. Again, step by step: make simulate SEED=N")


def _show_violations(violations: dict[int, list[Violation]]) -> None:
    for seed, found in sorted(violations.items()):
        for violation in found:
            print(f"seed {seed}: {violation.kind.value}: {violation.words}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
