"""The desk of the acceptance tests: a folder with a ledger, and the simulator in a process of its own."""

from tests.acceptance.conftest import desk, simulator

__all__ = ["desk", "simulator"]
