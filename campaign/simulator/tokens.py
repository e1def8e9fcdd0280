"""Bearer tokens: who is let in, and a name for each that does not give it away."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

NO_TOKEN: Final = 0
_BEARER: Final = re.compile(r"Bearer +([^\s]+) *", re.IGNORECASE)


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization` header, or None if it holds none."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def fingerprint(token: str) -> str:
    """The first 12 hex digits of the token's SHA-256."""
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:12]


@dataclass(slots=True)
class Allowance:
    """How many requests more are let in with whatever token; None is no end."""

    left: int | None

    def take(self) -> bool:
        if self.left is None:
            return True
        if self.left == 0:
            return False
        self.left -= 1
        return True


class TokenNames:
    """Fingerprints by number, so that a record of a request holds four bytes of them; 0 is no token."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._fingerprints: list[str] = [""]

    def number(self, token: str | None) -> int:
        if token is None:
            return NO_TOKEN
        found = self._numbers.get(token)
        if found is None:
            found = self._numbers[token] = len(self._fingerprints)
            self._fingerprints.append(fingerprint(token))
        return found

    def name(self, number: int) -> str:
        return self._fingerprints[number]
