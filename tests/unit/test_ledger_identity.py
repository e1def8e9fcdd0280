"""When a ledger is taken for another than the one that was sent from: by what a copy can't have, and by nothing that changes in use."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.ledger_identity import Difference, Displaced, LedgerIdentity, difference

KNOWN = LedgerIdentity(machine="m1", adapters=frozenset({"a", "b"}), inode=12, created_ns=500, host="shop", path="/var/lib/it.db")

identities = st.builds(
    LedgerIdentity,
    machine=st.sampled_from(["", "m1", "m2"]),
    adapters=st.frozensets(st.sampled_from("abc")),
    inode=st.integers(1, 3),
    created_ns=st.integers(0, 2),
    host=st.text(max_size=3),
    path=st.text(max_size=3),
)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, None),
        # What changes in ordinary use.
        ({"host": "shop-by-dhcp"}, None),
        ({"path": "/data/it.db"}, None),
        ({"adapters": frozenset({"b", "new"})}, None),
        ({"adapters": frozenset()}, None),
        ({"machine": "drawn at the start"}, None),
        # A container of the machine, on a volume of it, and what has no creation time.
        ({"machine": "", "adapters": frozenset({"x"}), "host": "3f2a"}, None),
        ({"created_ns": 0}, None),
        # Copies.
        ({"inode": 13}, Difference.COPIED_FILE),
        ({"created_ns": 501}, Difference.COPIED_FILE),
        ({"machine": "", "inode": 13}, Difference.COPIED_FILE),
        ({"machine": "m2", "adapters": frozenset()}, Difference.OTHER_MACHINE),
        ({"machine": "m2", "adapters": frozenset({"x"})}, Difference.OTHER_MACHINE),
        ({"machine": "m2", "adapters": frozenset({"x"}), "inode": 13, "created_ns": 501}, Difference.OTHER_MACHINE),
        ({"adapters": frozenset({"x"})}, Difference.CLONED_MACHINE),
        ({"adapters": frozenset({"x"}), "host": "shop-2"}, Difference.CLONED_MACHINE),
    ],
)
def test_what_is_taken_for_another_ledger(changed: dict[str, Any], found: Difference | None) -> None:
    here = replace(KNOWN, **changed)
    assert difference(KNOWN, here) is found
    assert difference(here, KNOWN) is found


@given(identities, st.text(), st.text())
def test_the_same_file_on_the_same_machine_is_never_taken_for_another(known: LedgerIdentity, host: str, path: str) -> None:
    assert difference(known, replace(known, host=host, path=path)) is None


@given(identities, identities)
def test_what_is_not_known_here_is_kept_and_shows_a_copy_later(known: LedgerIdentity, here: LedgerIdentity) -> None:
    if difference(known, here) is not None:
        return
    kept = known.seen(here)
    assert difference(kept, known) is None
    assert difference(kept, here) is None
    assert (kept.host, kept.path) == (here.host, here.path)
    assert kept.machine == (here.machine or known.machine)
    assert kept.created_ns == (here.created_ns or known.created_ns)


def test_a_machine_that_was_last_seen_in_a_container_is_still_known() -> None:
    in_container = replace(KNOWN, machine="", adapters=frozenset({"x"}))
    kept = KNOWN.seen(in_container)
    assert difference(kept, replace(KNOWN, machine="m2", adapters=frozenset())) is Difference.OTHER_MACHINE
    assert difference(kept, KNOWN) is None


def test_only_what_was_sent_from_not_long_ago_may_be_sent_from_still() -> None:
    displaced = Displaced(difference=Difference.COPIED_FILE, before=KNOWN, last_run_at=1_800_000_000.0)
    days = [0, 1, 31, 34.9, 35, 400]
    assert [displaced.matters(1_800_000_000.0 + day * 86_400) for day in days] == [True, True, True, True, False, False]
