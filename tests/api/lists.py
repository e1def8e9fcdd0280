"""Lists for these tests, and what the simulator has processed of them."""

from collections import Counter
from typing import Any

import pandas as pd

from tests.simulator_client import SimulatorClient

MESSAGE = "Hi {{ first_name }}"


def people(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"pass_id": [f"pass-{row:05}" for row in range(1, count + 1)], "first_name": [f"Name {row}" for row in range(1, count + 1)]}
    )


def sent(simulator: SimulatorClient) -> Counter[tuple[str, str]]:
    """How often each message was processed for each pass."""
    return Counter((one.id, one.message) for one in simulator.audit())


def greetings(frame: pd.DataFrame) -> Counter[tuple[str, str]]:
    """One message to each pass of the list."""
    return Counter(zip(frame["pass_id"], ("Hi " + frame["first_name"]), strict=True))


class Stream:
    """A table of another library, of which only this is known; it can be read once."""

    def __init__(self, table: Any) -> None:
        self._reader = table.to_reader(max_chunksize=3)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        stream: object = self._reader.__arrow_c_stream__(requested_schema)
        return stream
