"""Who gets a notice at the end of a run, and on which occasions."""

import re
from difflib import get_close_matches
from enum import StrEnum

from campaign.domain.errors import BadValueError


class Occasion(StrEnum):
    """Why a notice is sent."""

    FINISHED = "finished"
    """Every row is settled, and none needs attention."""
    FAILED = "failed"
    """Rows need attention, or the run could not start."""
    STOPPED = "stopped"
    """Rows are left, and the run can go on."""


def occasion_of(exit_code: int) -> Occasion:
    """The occasion of a command that ended with this exit code."""
    match exit_code:
        case 0:
            return Occasion.FINISHED
        case 1 | 2 | 3:
            return Occasion.FAILED
        case _:
            return Occasion.STOPPED


def parse_occasions(value: object) -> frozenset[Occasion]:
    """The occasions in a text such as `failed,stopped`, or in a list of such words.

    Raises:
        ValueError: a word is not an occasion. The text names all occasions.
    """
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    if isinstance(names, list | tuple | set | frozenset):
        found = {str(name).lower() for name in names}
        if found <= set(Occasion):
            return frozenset(map(Occasion, found))
        wrong = min(found - set(Occasion))
        if near := get_close_matches(wrong, list(Occasion), n=1):
            raise BadValueError(f"“{wrong}” is none of {', '.join(Occasion)}; did you mean {near[0]}?", suggestion=near[0])
    raise ValueError(f"write some of {', '.join(Occasion)}, separated by commas")


def parse_addresses(value: object) -> list[str]:
    """Addresses such as `slack://…`, from a text with commas or spaces between them, or from a list.

    Raises:
        ValueError: one is not an address. The text gives only its number, since addresses hold secrets.
    """
    # A comma may be a part of an address, as in the recipients of a mail.
    parts = re.split(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)", value.strip(" ,\r\n\t")) if isinstance(value, str) else value
    addresses = [part for part in parts if part] if isinstance(parts, list | tuple) else [None]
    for number, address in enumerate(addresses, 1):
        if not isinstance(address, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*://\S+", address):
            raise ValueError(f"address {number} is not of the form service://…, as mailto://… and slack://… are")
    return [address for address in addresses if address is not None]


def service_of(address: str) -> str:
    """The part of an address that is not secret."""
    return address.split("://", 1)[0].lower()
