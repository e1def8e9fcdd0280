"""The passes and their messages, in little memory: a million texts as Python objects would take twice as much as one block of bytes."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from campaign.domain.errors import UsageError

NO_TEXT: Final = 0
_RECENT: Final = 4096


class TextStore:
    """Texts by number; it only grows. A text that was stored recently is not stored again, but equal texts may have two numbers."""

    def __init__(self) -> None:
        self._block = bytearray()
        self._ends = array("Q", [0])
        self._recent: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Store the text and return its number; numbers begin after `NO_TEXT`."""
        found = self._recent.get(text)
        if found is not None:
            return found
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._block += text.encode()
        number = self._recent[text] = len(self._ends)
        self._ends.append(len(self._block))
        return number

    def text(self, number: int) -> str:
        return self._block[self._ends[number - 1] : self._ends[number]].decode()


ISSUED: Final = "issued"
_PASS_FIELDS: Final = frozenset({"latestMessage", "status", "deviceType"})


class Unchanged(Enum):
    """The value for no change, because None is a valid value of `latestMessage`."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class PassChange:
    """A change that someone else makes to a pass. None clears the message, but leaves status and device type unchanged."""

    latest_message: str | Unchanged | None = UNCHANGED
    status: str | None = None
    device_type: str | None = None


def read_change(document: object) -> PassChange:
    """The change that a JSON object describes, with the given fields under their names in the API.

    Raises:
        UsageError: the document is no object, or has no field, another field or an invalid value.
    """
    if not isinstance(document, dict) or not document or not document.keys() <= _PASS_FIELDS:
        raise UsageError(f"A change of a pass is a JSON object with some of {', '.join(sorted(_PASS_FIELDS))}.", code="not_an_object")
    for name, value in document.items():
        if not (isinstance(value, str) and value) and not (name == "latestMessage" and value is None):
            raise UsageError(
                f"A pass's {name} can't be {value!r}; give a text" + (" or null." if name == "latestMessage" else "."),
                code="bad_value",
                setting=name,
            )
    return PassChange(
        latest_message=document.get("latestMessage", UNCHANGED),
        status=document.get("status"),
        device_type=document.get("deviceType"),
    )


class PassTable:
    """The passes by number, in order of appearance, each with its latest message and its count of requests by method."""

    def __init__(self) -> None:
        self.texts = TextStore()
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._segments: dict[int, str] = {}
        self._latest = array("I")
        self._turns = {"GET": array("I"), "POST": array("I")}
        self._by_hand: dict[int, tuple[str | None, str | None]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def number(self, pass_id: str, segment: str = "") -> int:
        """The pass's number. A new pass is added, with the encoded form of its id in the path, if that differs from the id."""
        found = self._numbers.get(pass_id)
        if found is not None:
            return found
        number = len(self._ids)
        self._numbers[pass_id] = number
        self._ids.append(pass_id)
        self._latest.append(NO_TEXT)
        for turns in self._turns.values():
            turns.append(0)
        if segment and segment != pass_id:
            self._segments[number] = segment
        return number

    def ids(self) -> list[str]:
        return list(self._ids)

    def pass_id(self, number: int) -> str:
        return self._ids[number]

    def segment(self, number: int) -> str:
        return self._segments.get(number, self._ids[number])

    def next_turn(self, number: int, method: str) -> int:
        """Count a request with this method, and return its turn; the first is 1."""
        turns = self._turns[method]
        turns[number] += 1
        return turns[number]

    def latest_message(self, pass_id: str) -> str | None:
        text = self._latest[self.number(pass_id)]
        return None if text == NO_TEXT else self.texts.text(text)

    def put_message(self, pass_id: str, message: str | None) -> None:
        self._latest[self.number(pass_id)] = NO_TEXT if message is None else self.texts.number(message)

    def put_text(self, number: int, text: int) -> None:
        """`put_message` by the numbers of pass and text."""
        self._latest[number] = text

    def change(self, pass_id: str, change: PassChange) -> None:
        number = self.number(pass_id)
        if change.latest_message is not UNCHANGED:
            self.put_message(pass_id, change.latest_message)
        status, device_type = self._by_hand.get(number, (None, None))
        self._by_hand[number] = (change.status or status, change.device_type or device_type)

    def traits(self, pass_id: str, *, statuses: Mapping[str, float], device_types: Mapping[str, float]) -> tuple[str, str]:
        """Status and device type: as they were set, else chosen by the id."""
        status, device_type = self._by_hand.get(self.number(pass_id), (None, None))
        return status or pick(statuses, f"status\0{pass_id}"), device_type or pick(device_types, f"device\0{pass_id}")


def pick(weights: Mapping[str, float], key: str) -> str:
    """One of the names, chosen by weight, and always the same for the same key."""
    if len(weights) == 1:
        return next(iter(weights))
    point = int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) / 2**64 * sum(weights.values())
    ends = zip(weights, accumulate(weights.values()), strict=True)
    return next((name for name, end in ends if point < end), max(weights, key=lambda name: weights[name]))
