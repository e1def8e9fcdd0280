"""Numbers as a spreadsheet would write them into a CSV file."""

from typing import Final

_DIGITS_LOST: Final = 1e15
"""From here on neither a spreadsheet nor a float column can be trusted to have every digit of an id."""


def number_text(value: float, *, digits: str) -> str:
    """A float as text: whole ones without a fraction, but in E-notation once digits may be lost, so that it is seen that they are.

    Args:
        value: NaN is an empty cell.
        digits: the text to use for a number that is not whole.
    """
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    if not value.is_integer():  # also infinity
        return digits
    if abs(value) < _DIGITS_LOST:
        return str(int(value))
    mantissa, _, exponent = f"{value:.5E}".partition("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
