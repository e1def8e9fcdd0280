"""The faults of batches: any fault of a POST at each step, and what goes wrong with a batch itself."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from campaign.simulator.faults import Chances, Fault, check_total, checked_probability, read_probabilities, unknown_fault
from campaign.simulator.routes import STEPS


class BatchFault(StrEnum):
    """What can go wrong with one batch.

    VALIDATION_STUCK: it stays `validating`. SENDING_STUCK: it stays `sending`, with none, half or all of its messages processed.
    BATCH_FAILED: it ends as `failed`, and nothing is sent. RECIPIENTS_FAILED: every third recipient fails and gets nothing.
    DELIVERY_CSV_MISSING: it ends, and its `deliveryCsvUrl` never comes. The others are what is wrong with the delivery CSV:
    it ends in the middle, lacks every third row, has an unknown status in every third row, has other columns.
    """

    VALIDATION_STUCK = "validation_stuck"
    SENDING_STUCK = "sending_stuck"
    BATCH_FAILED = "batch_failed"
    RECIPIENTS_FAILED = "recipients_failed"
    DELIVERY_CSV_MISSING = "delivery_csv_missing"
    DELIVERY_CSV_CUT = "delivery_csv_cut"
    DELIVERY_CSV_LACKS_ROWS = "delivery_csv_lacks_rows"
    DELIVERY_CSV_UNKNOWN_STATUS = "delivery_csv_unknown_status"
    DELIVERY_CSV_OTHER_COLUMNS = "delivery_csv_other_columns"


_OF_ONE_PASS: Final = {Fault.NOT_DELIVERED, Fault.UNKNOWN_STATUS}
STEP_FAULTS: Final[Mapping[str, tuple[str, Fault]]] = MappingProxyType(
    {f"{step}_{fault}": (step, fault) for step in STEPS for fault in Fault if fault.method == "POST" and fault not in _OF_ONE_PASS}
)
"""By name, such as `create_cut_after`: the step of `STEPS`, and what happens at it."""

NAMES: Final = (*BatchFault, *STEP_FAULTS)


class BatchFaultTable:
    def __init__(self, faults: Mapping[str, float]) -> None:
        self._of_batches = Chances({fault: faults.get(fault, 0.0) for fault in BatchFault})
        self._of_steps = {
            step: Chances({fault: faults.get(name, 0.0) for name, (at, fault) in STEP_FAULTS.items() if at == step}) for step in STEPS
        }

    def of_batch(self, chance: float) -> BatchFault | None:
        return self._of_batches.choose(chance)

    def at(self, step: str, chance: float) -> Fault | None:
        return self._of_steps[step].choose(chance)


def checked_batch_faults(faults: Mapping[str, float]) -> dict[str, float]:
    """The same by plain name.

    Raises:
        UsageError: no such fault, not a probability, or together more than certain for a batch or one of its steps.
    """
    known: dict[str, float] = {}
    for name, probability in faults.items():
        if name not in NAMES:
            raise unknown_fault(name, NAMES)
        known[str(name)] = checked_probability(name, probability)
    check_total("of batches", sum(known.get(fault, 0.0) for fault in BatchFault), one="a batch")
    for step in STEPS:
        total = sum(known.get(name, 0.0) for name, (at, _) in STEP_FAULTS.items() if at == step)
        check_total(f"of the step “{step}”", total, one="a request")
    return known


def parse_batch_faults(texts: Iterable[str]) -> dict[str, float]:
    """Faults as options give them: `create_cut_after=0.05`, or `sending_stuck=5%`.

    Raises:
        UsageError: as for `campaign.simulator.faults.parse_faults`.
    """
    return checked_batch_faults(read_probabilities(texts))
