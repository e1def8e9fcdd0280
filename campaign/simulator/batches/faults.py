"""The faults of batches: most faults of a POST at each step, and faults of a batch itself."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from campaign.simulator.api.routes import STEPS
from campaign.simulator.faults import Chances, Fault, check_total, checked_probability, read_probabilities, unknown_fault


class BatchFault(StrEnum):
    """The faults of one batch.

    VALIDATION_STUCK: the batch stays `validating`. SENDING_STUCK: it stays `sending`, with none, half or all of its messages processed.
    BATCH_FAILED: it ends as `failed`, and nothing is sent. RECIPIENTS_FAILED: every third recipient fails and gets no message.
    DELIVERY_CSV_MISSING: it ends, but never has a `deliveryCsvUrl`. With the other faults, the delivery CSV is cut off after two thirds,
    lacks every third row, has an unknown status in every third row, or has other columns.
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
"""By name, such as `create_cut_after`: the step of `STEPS`, and the fault at it."""

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
    """The same probabilities, with names as plain texts.

    Raises:
        UsageError: there is no such fault, a value is no probability, or those of batches or of one step add up to more than 1.
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
    """Read faults from options: `create_cut_after=0.05`, or `sending_stuck=5%`.

    Raises:
        UsageError: as for `campaign.simulator.faults.parse_faults`.
    """
    return checked_batch_faults(read_probabilities(texts))
