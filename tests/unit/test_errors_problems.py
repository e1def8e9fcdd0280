"""A fault of the program is never hidden by what a person could correct."""

import pytest

from campaign.domain.errors import CampaignError, DiskFullError, LedgerError, UsageError, fault_of, problem_of

LEDGER, USAGE, DISK = LedgerError("The ledger is gone."), UsageError("No."), DiskFullError("Full.")
FAULT = TypeError("a fault")


@pytest.mark.parametrize(
    ("error", "problem", "fault"),
    [
        (LEDGER, LEDGER, None),
        (FAULT, None, FAULT),
        (ExceptionGroup("", [LEDGER]), LEDGER, None),
        (ExceptionGroup("", [ExceptionGroup("", [DISK]), LEDGER]), DISK, None),
        (ExceptionGroup("", [LEDGER, FAULT]), None, FAULT),
        (ExceptionGroup("", [FAULT, LEDGER]), None, FAULT),
        (ExceptionGroup("", [USAGE, ExceptionGroup("", [LEDGER, ExceptionGroup("", [FAULT])])]), None, FAULT),
        (BaseExceptionGroup("", [LEDGER, stop := KeyboardInterrupt()]), None, stop),
    ],
)
def test_what_it_comes_to(error: BaseException, problem: CampaignError | None, fault: BaseException | None) -> None:
    assert problem_of(error) is problem
    assert fault_of(error) is fault
