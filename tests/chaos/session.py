"""A session: one campaign after the other, until enough processes were killed."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from tests.chaos.audit import Kind, Violation, violations_in
from tests.chaos.driver import Driver, Story
from tests.chaos.evidence import gather
from tests.chaos.ledgers import ledgers
from tests.chaos.plan import QUIET_SECONDS, Wishes, plan
from tests.chaos.report import Session, row_in_full
from tests.chaos.world import World, world

MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When the session ends: after so many kills, or after the one campaign; `seconds` are for each campaign."""

    kills: int
    seconds: float = 300.0
    only: int | None = None
    keep: bool = False


def hold(wishes: Wishes, limits: Limits, folder: Path, say: Callable[[str], None]) -> tuple[Session, list[int]]:
    """Run it, and return its figures and the numbers of the campaigns that broke something.

    Args:
        wishes: what every campaign is like.
        limits: when it ends.
        folder: for the campaigns; those that broke nothing are removed from it.
        say: told how each campaign went.
    """
    session = Session(seed=wishes.seed, ledger=wishes.ledger, via=wishes.via)
    broken: list[int] = []
    with ledgers(wishes.ledger) as make:
        for index in count(1) if limits.only is None else (limits.only,):
            place = folder / f"{wishes.ledger}-{wishes.via}-{index}"
            place.mkdir(parents=True)
            with world(plan(wishes, index), place, make(place)) as stage:
                violations = _one(stage, limits, session, say)
            if violations:
                broken.append(index)
            elif not limits.keep:
                shutil.rmtree(place)
            if limits.only is None and session.kills.total() >= limits.kills:
                break
    return session, broken


def _one(place: World, limits: Limits, session: Session, say: Callable[[str], None]) -> list[Violation]:
    story = Driver(place, kills_left=limits.kills - session.kills.total(), seconds=limits.seconds).run()
    evidence = gather(place)
    violations = [*_of_story(story), *violations_in(evidence, quiet_seconds=QUIET_SECONDS)]
    session.add(story, evidence, violations)
    say(
        f"campaign {place.plan.index} in {place.kept.kind} via {place.plan.via}: {story.kills.total()} kills, {story.blows.total()} blows, "
        f"{story.processes} processes, {story.seconds:.0f} s, {session.kills.total()} kills so far, {len(violations)} violations"
    )
    for violation in violations[:MOST_SHOWN]:
        say(f"  {violation.kind}: {f'row {violation.row} ' if violation.row else ''}{violation.words}")
        for line in row_in_full(violation.row, evidence, quiet_seconds=QUIET_SECONDS):
            say(line)
    return violations


def _of_story(story: Story) -> list[Violation]:
    found = [Violation(kind=Kind.ENDS, row=0, words=words) for words in story.odd]
    found += [Violation(kind=Kind.FILES, row=0, words=words) for words in story.torn]
    if not story.finished:
        found.append(Violation(kind=Kind.LOST, row=0, words="the campaign was not finished in time"))
    return found
