"""Messages by number, in one block of bytes: a million texts as objects of their own would cost twice as much."""

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
    """Only ever grows. A text that comes again soon is not stored again; equal texts may still have two numbers."""

    def __init__(self) -> None:
        self._block = bytearray()
        self._ends = array("Q", [0])
        self._recent: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Stores the text; numbers begin after `NO_TEXT`."""
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
    """Told apart from None, which is a value that `latestMessage` can be given."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class PassChange:
    """What someone else wrote to a pass; None leaves status and device type as they are, and clears the message."""

    latest_message: str | Unchanged | None = UNCHANGED
    status: str | None = None
    device_type: str | None = None


def change_json(change: PassChange) -> dict[str, str | None]:
    """The fields that are given, under the names that the API has for them."""
    found: dict[str, str | None] = {}
    if change.latest_message is not UNCHANGED:
        found["latestMessage"] = change.latest_message
    if change.status is not None:
        found["status"] = change.status
    if change.device_type is not None:
        found["deviceType"] = change.device_type
    return found


def read_change(document: object) -> PassChange:
    """The other way round.

    Raises:
        UsageError: no object, another field, or a value that can't be.
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
    """Ids by number, in order of appearance, and what is known of each: the turn of its next request, and its latest message."""

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
        """The pass's number; a new pass is entered, with the form that its id had in the path if that is not the id itself."""
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
        """Counts one more request with this method; the first is 1."""
        turns = self._turns[method]
        turns[number] += 1
        return turns[number]

    def latest_message(self, pass_id: str) -> str | None:
        text = self._latest[self.number(pass_id)]
        return None if text == NO_TEXT else self.texts.text(text)

    def put_message(self, pass_id: str, message: str | None) -> None:
        self._latest[self.number(pass_id)] = NO_TEXT if message is None else self.texts.number(message)

    def put_text(self, number: int, text: int) -> None:
        """`put_message` with both already numbers."""
        self._latest[number] = text

    def change(self, pass_id: str, change: PassChange) -> None:
        number = self.number(pass_id)
        if change.latest_message is not UNCHANGED:
            self.put_message(pass_id, change.latest_message)
        status, device_type = self._by_hand.get(number, (None, None))
        self._by_hand[number] = (change.status or status, change.device_type or device_type)

    def traits(self, pass_id: str, *, statuses: Mapping[str, float], device_types: Mapping[str, float]) -> tuple[str, str]:
        """Status and device type: by hand if they were set so, else by the id."""
        status, device_type = self._by_hand.get(self.number(pass_id), (None, None))
        return status or pick(statuses, f"status\0{pass_id}"), device_type or pick(device_types, f"device\0{pass_id}")


def pick(weights: Mapping[str, float], key: str) -> str:
    """One of the names, as often as its weight says, and always the same for the same key."""
    if len(weights) == 1:
        return next(iter(weights))
    point = int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) / 2**64 * sum(weights.values())
    ends = zip(weights, accumulate(weights.values()), strict=True)
    return next((name for name, end in ends if point < end), max(weights, key=lambda name: weights[name]))
