"""What an error, or a group of errors, comes to: something that a person can mend, or a fault of the program."""

from collections.abc import Iterator

from campaign.domain.errors import CampaignError


def problem_of(error: BaseException) -> CampaignError | None:
    """The first error for a person, if nothing else is among them; None where there is a fault of the program, which no other may hide."""
    return None if fault_of(error) is not None else next((one for one in _each(error) if isinstance(one, CampaignError)), None)


def fault_of(error: BaseException) -> BaseException | None:
    """The first error that is none for a person."""
    return next((one for one in _each(error) if not isinstance(one, CampaignError)), None)


def _each(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _each(inner)
    else:
        yield error
