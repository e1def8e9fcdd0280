"""Figures of this machine, each beside something else in the same run: `make bench`, `make bench-short`.

python -m tests.bench [WHICH...] [--short] [--json FILE] [--from FILE] [--markdown]

Ends with 1 if a ratio is beyond its floor, or a group could not be measured; no time counts, as those differ from machine to machine.
With --from nothing is measured: it shows what an earlier run wrote with --json.
"""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from tests.bench import saved
from tests.bench.catalogue import CATALOGUE, Entry, chosen
from tests.bench.figures import Found, Group
from tests.bench.machine import Machine
from tests.bench.table import as_markdown, as_text, as_texts, complaints


def asked_for(words: Sequence[str] | None = None) -> argparse.Namespace:
    names = [entry.name for entry in CATALOGUE]
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", nargs="*", metavar="WHICH", help=f"of {', '.join(names)}; without any, all")
    parser.add_argument(
        "--short", action="store_true", help="less of everything, for CI: what breaks shows, what is a little slower does not"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too, after each group")
    parser.add_argument("--from", dest="earlier", type=Path, metavar="FILE", help="show the figures of that file; measure nothing")
    parser.add_argument("--markdown", action="store_true", help="print a table for a document")
    asked = parser.parse_args(words)
    if strange := sorted(set(asked.which) - set(names)):
        parser.error(f"there is nothing called {', '.join(strange)}; there is {', '.join(names)}")
    return asked


def measured(entries: Sequence[Entry], *, short: bool) -> Iterator[Group]:
    """One after the other; what can't be measured is told, and the others go on."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for entry in entries:
            began = time.perf_counter()
            try:
                found, broken = entry.measured(Path(name), short=short), ""
            except Exception as error:  # noqa: BLE001 - after twenty minutes of figures one more is not worth losing them
                traceback.print_exception(error)
                found, broken = Found(figures=()), f"It broke off: {error}"
            seconds = time.perf_counter() - began
            yield Group(name=entry.name, title=entry.title, seconds=seconds, figures=found.figures, left_out=found.left_out, broken=broken)


def main(words: Sequence[str] | None = None) -> int:
    asked = asked_for(words)
    if asked.earlier is not None:
        try:
            machine, groups, short = saved.read(asked.earlier)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        if short and asked.markdown:
            print(f"{asked.earlier} is of the short form, whose figures are for no document.", file=sys.stderr)
            return 2
        print(as_markdown(machine, groups) if asked.markdown else as_texts(machine, groups))
        return _exit_code(groups)
    machine, groups = Machine.here(), []
    print(machine.in_a_line, file=sys.stderr, flush=True)
    for group in measured(chosen(asked.which, short=asked.short), short=asked.short):
        groups.append(group)
        print(as_text(group), file=sys.stderr if asked.markdown else sys.stdout, flush=True)
        if asked.json is not None:
            saved.write(asked.json, machine, groups, short=asked.short)
    if asked.markdown:
        print(as_markdown(machine, groups))
    return _exit_code(groups)


def _exit_code(groups: Sequence[Group]) -> int:
    said = complaints(groups)
    for complaint in said:
        print(complaint, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    # What is measured in this process, such as the ledgers', is measured on the loop that the command uses.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    sys.exit(main())
