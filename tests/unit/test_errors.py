"""What an error tells a script: its exit code, its kind, and what it is about."""

import pickle

import pytest

from campaign.domain import errors
from campaign.domain.errors import CampaignError, InputError, StoppedError, UsageError

KINDS = {
    "CampaignError": ("failed", 1),
    "UsageError": ("usage", 2),
    "OtherContentError": ("other_content", 2),
    "InputError": ("input", 2),
    "StoppedError": ("stopped", 130),
    "LedgerError": ("ledger", 4),
    "LedgerPlaceError": ("ledger_place", 2),
    "LedgerVersionError": ("ledger_version", 2),
    "LedgerDamagedError": ("ledger_damaged", 2),
    "SafeguardError": ("safeguard", 4),
    "TokenRefusedError": ("token_refused", 4),
    "DiskFullError": ("disk_full", 4),
}


@pytest.mark.parametrize(("name", "expected"), KINDS.items())
def test_each_class_has_a_kind_and_an_exit_code(name: str, expected: tuple[str, int]) -> None:
    error: CampaignError = getattr(errors, name)("A sentence.")
    assert (error.code, error.exit_code, str(error)) == (*expected, "A sentence.")


def test_an_error_says_what_it_is_about() -> None:
    error = UsageError("--window does not open.", code="window_never_opens", option="--window")
    assert (error.code, error.option, error.values) == ("window_never_opens", "--window", {"option": "--window"})
    with pytest.raises(AttributeError, match="column"):
        _ = error.column


def test_the_place_in_a_file_comes_before_the_sentence() -> None:
    error = InputError("It is empty.", code="empty_cell", file="a.csv", row=2, column="id", hint="x")
    assert str(error) == "a.csv, row 2, column “id”: It is empty."
    assert (error.file, error.row, error.column, error.hint, error.problem) == ("a.csv", 2, "id", "x", "It is empty.")


@pytest.mark.parametrize(
    "error", [UsageError("A.", code="a", option="--a"), InputError("A.", file="a.csv", row=2), StoppedError("A.", exit_code=143)]
)
def test_an_error_of_another_process_is_the_same(error: CampaignError) -> None:
    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    assert (type(there), str(there), vars(there), there.exit_code) == (type(error), str(error), vars(error), error.exit_code)
