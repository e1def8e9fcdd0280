"""Any sequence of claims, deaths, late answers, clocks and people leaves every ledger in a state that the promise allows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.backends import Backend, HandClock
from tests.contract.machine import LedgerModel
from tests.examples import examples

pytestmark = pytest.mark.fuzz

EXAMPLES = examples(12)
"""12 take a second or two where nobody else works."""

STEPS = 50
SHARE_OF_POSTGRES = 4
"""It has as many processes to ask as a file has none, and takes so many times as long."""


@pytest.mark.timeout(60 + EXAMPLES)
def test_whatever_happens_nothing_is_sent_twice_and_nothing_lost(
    open_backend: Callable[[Path, HandClock], Backend], request: pytest.FixtureRequest
) -> None:
    class Model(LedgerModel):
        pass

    Model.open_backend = staticmethod(open_backend)
    checks = settings(
        max_examples=EXAMPLES // SHARE_OF_POSTGRES if "postgres" in request.node.name else EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Model, settings=checks)
