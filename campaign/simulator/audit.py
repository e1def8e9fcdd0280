"""What was processed, as columns: the judge of what was really sent."""

from array import array
from collections.abc import Iterator
from typing import Final

from campaign.simulator.passes import PassTable
from campaign.simulator.records import Notification
from campaign.simulator.texts import NO_TEXT
from campaign.simulator.tokens import TokenNames

NS: Final = 1_000_000_000
"""Whole, so that dividing by it rounds only once."""


class NotificationLog:
    """One entry a processed message, in the order of processing."""

    def __init__(self, *, passes: PassTable, tokens: TokenNames, started_ns: int) -> None:
        self._passes = passes
        self._tokens = tokens
        self._started_ns = started_ns
        self._pass = array("I")
        self._request = array("Q")
        self._token = array("I")
        self._at_ns = array("q")
        self._unix_ns = array("q")
        self._message = array("I")
        self._first = array("I")
        self._times: dict[tuple[int, str], int] = {}
        self.distinct_passes = 0
        self.surplus = 0

    def __len__(self) -> int:
        return len(self._message)

    @property
    def duplicates(self) -> int:
        """Pairs of pass and message that were processed more than once."""
        return sum(1 for times in self._times.values() if times > 1)

    def add(self, *, pass_id: str, message: str, request: int, token: int, at_ns: int, unix_ns: int) -> None:
        number = self._passes.number(pass_id)
        text = self._passes.texts.number(message)
        self._pass.append(number)
        self._request.append(request)
        self._token.append(token)
        self._at_ns.append(at_ns)
        self._unix_ns.append(unix_ns)
        self._message.append(text)
        self._count(number, message, text)

    def notification(self, *, pass_id: str, message: str, request: int, token: int, at_ns: int, unix_ns: int) -> Notification:
        """The same values as they are shown."""
        return Notification(
            id=pass_id,
            message=message,
            at_seconds=(at_ns - self._started_ns) / NS,
            unix_seconds=unix_ns / NS,
            token=self._tokens.name(token),
            request=request,
        )

    def entry(self, index: int) -> Notification:
        return self.notification(
            pass_id=self._passes.pass_id(self._pass[index]),
            message=self._passes.texts.text(self._message[index]),
            request=self._request[index],
            token=self._token[index],
            at_ns=self._at_ns[index],
            unix_ns=self._unix_ns[index],
        )

    def entries(self) -> Iterator[Notification]:
        """Those there are now; what is added meanwhile is left out."""
        return map(self.entry, range(len(self)))

    def _count(self, number: int, message: str, text: int) -> None:
        """A pass's first message stands in a column; only what comes after it costs an entry of its own."""
        if number >= len(self._first):
            self._first.extend([NO_TEXT] * (number + 1 - len(self._first)))
        if self._first[number] == NO_TEXT:
            self._first[number] = text
            self.distinct_passes += 1
            return
        key = (number, message)
        before = self._times.get(key)
        if before is None:
            before = 1 if self._passes.texts.text(self._first[number]) == message else 0
        self._times[key] = before + 1
        if before:
            self.surplus += 1
