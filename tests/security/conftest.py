"""The desk of the acceptance tests: a folder with a ledger, and the simulator in a process of its own. What a console starts is forked."""

from tests.acceptance.conftest import desk, simulator
from tests.console.conftest import quick_start

__all__ = ["desk", "quick_start", "simulator"]
