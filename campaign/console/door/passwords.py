"""Passwords: Argon2id in PHC strings, a few at a time, so that log-ins can't eat the machine."""

import asyncio
import os
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from campaign.domain.errors import UsageError

LEAST_CHARACTERS: Final = 10
MOST_BYTES: Final = 1024
AT_ONCE: Final = 2
MOST_WAITING: Final = 32
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one hash takes; OWASP's least is 19 MiB and two rounds."""

    memory_kib: int = 32_768
    rounds: int = 2
    lanes: int = 1


class Passwords:
    """Hashes, and compares with hashes. `compared` counts the comparisons by their cost: a user that does not exist takes the same."""

    def __init__(self, cost: Cost | None = None) -> None:
        self._cost = cost or Cost()
        self._threads = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="console-passwords")
        self._waiting = 0
        self._nobodys = self.hashed(os.urandom(_SALT_BYTES).hex())
        self.compared: Counter[Cost] = Counter()

    @property
    def busy(self) -> bool:
        """Whether so many log-ins wait that another one has to come later."""
        return self._waiting >= MOST_WAITING

    def hashed(self, password: str) -> str:
        """A PHC string with a salt of its own. Takes its time, on purpose."""
        cost = self._cost
        kdf = Argon2id(
            salt=os.urandom(_SALT_BYTES), length=_HASH_BYTES, iterations=cost.rounds, lanes=cost.lanes, memory_cost=cost.memory_kib
        )
        return kdf.derive_phc_encoded(_bytes(password))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether it is this hash's password. None is a user that does not exist: never, after as much work."""
        self._waiting += 1
        try:
            same = await asyncio.wrap_future(self._threads.submit(self._compare, password, hashed or self._nobodys))
        finally:
            self._waiting -= 1
        return same and hashed is not None

    async def stronger(self, password: str, hashed: str) -> str | None:
        """The same password hashed anew, if this hash is of a lower cost than is asked for now."""
        cost = cost_of(hashed)
        target = replace(
            self._cost,
            memory_kib=max(cost.memory_kib, self._cost.memory_kib),
            rounds=max(cost.rounds, self._cost.rounds),
            lanes=cost.lanes,
        )
        if target == cost:
            return None
        return await asyncio.wrap_future(self._threads.submit(self.hashed, password))

    def close(self) -> None:
        self._threads.shutdown()

    def _compare(self, password: str, hashed: str) -> bool:
        self.compared[cost_of(hashed)] += 1
        try:
            Argon2id.verify_phc_encoded(_bytes(password), hashed)
        except InvalidKey:
            return False
        return True


def cost_of(hashed: str) -> Cost:
    """What a PHC string says that it took."""
    said = dict(part.split("=") for part in hashed.split("$")[3].split(","))
    return Cost(memory_kib=int(said["m"]), rounds=int(said["t"]), lanes=int(said["p"]))


def check_password(password: str) -> None:
    """See that a new password will do.

    Raises:
        UsageError: too short, or too long.
    """
    if len(password) < LEAST_CHARACTERS:
        raise UsageError(
            f"A password has at least {LEAST_CHARACTERS} characters; this one has {len(password)}. Nothing was changed.",
            code="password_too_short",
        )
    if is_too_long(password):
        raise UsageError(f"A password has at most {MOST_BYTES} bytes; this one is longer. Nothing was changed.", code="password_too_long")


def is_too_long(password: str) -> bool:
    """Whether it can be nobody's, whose hashing would only cost time."""
    return len(password) > MOST_BYTES or len(_bytes(password)) > MOST_BYTES


def _bytes(password: str) -> bytes:
    # The same letters typed on another keyboard may come as other code points.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
