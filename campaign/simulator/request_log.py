"""Records every request and every processed notification since the last reset, and computes their figures."""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from campaign.simulator.api.admission import Meter
from campaign.simulator.api.routes import NO_TOKEN, Endpoint, Target, TokenNames
from campaign.simulator.batches.faults import STEP_FAULTS
from campaign.simulator.faults import NO_STATUS, Fault
from campaign.simulator.passes import NO_TEXT, PassTable
from campaign.simulator.records import Ending, EndpointUse, LoggedRequest, Notification, Summary

NS: Final = 1_000_000_000
"""An integer, so that a division by it rounds only once."""


SINGLE: Final = 0
"""The number for no batch."""


class NotificationLog:
    """The processed messages, in the order of processing."""

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
        self._batch = array("I")
        self._batches: list[tuple[str | None, str | None]] = [(None, None)]
        self._batch_numbers: dict[tuple[str | None, str | None], int] = {}
        self._first = array("I")
        self._times: dict[tuple[int, str], int] = {}
        self.distinct_passes = 0
        self.surplus = 0
        self.in_batches = 0

    def __len__(self) -> int:
        return len(self._message)

    @property
    def duplicates(self) -> int:
        """Pairs of pass and message that were processed more than once."""
        return sum(1 for times in self._times.values() if times > 1)

    def batch(self, batch_id: str, name: str) -> int:
        """The batch's number in this log; numbers begin after `SINGLE`."""
        key = (batch_id, name)
        found = self._batch_numbers.get(key)
        if found is None:
            found = self._batch_numbers[key] = len(self._batches)
            self._batches.append(key)
        return found

    def add(self, *, pass_id: str, message: str, request: int, token: int, at_ns: int, unix_ns: int) -> None:
        number = self._passes.number(pass_id)
        text = self._passes.texts.number(message)
        self._pass.append(number)
        self._request.append(request)
        self._token.append(token)
        self._at_ns.append(at_ns)
        self._unix_ns.append(unix_ns)
        self._message.append(text)
        self._batch.append(SINGLE)
        self._count(number, text)

    def add_many(
        self, numbers: Sequence[int], texts: Sequence[int], *, request: int, token: int, at_ns: int, unix_ns: int, batch: int
    ) -> None:
        """Add the messages of a batch; passes and messages are numbers of `PassTable`."""
        count = len(numbers)
        self._pass.extend(numbers)
        self._message.extend(texts)
        for column, value in (
            (self._request, request),
            (self._token, token),
            (self._at_ns, at_ns),
            (self._unix_ns, unix_ns),
            (self._batch, batch),
        ):
            column.extend(array(column.typecode, [value]) * count)
        self.in_batches += count
        for number, text in zip(numbers, texts, strict=True):
            self._count(number, text)

    def notification(
        self, *, pass_id: str, message: str, request: int, token: int, at_ns: int, unix_ns: int, batch: int = SINGLE
    ) -> Notification:
        """The values of an entry as a `Notification`."""
        batch_id, batch_name = self._batches[batch]
        return Notification(
            id=pass_id,
            message=message,
            at_seconds=(at_ns - self._started_ns) / NS,
            unix_seconds=unix_ns / NS,
            token=self._tokens.name(token),
            request=request,
            way="single" if batch == SINGLE else "batch",
            batch_id=batch_id,
            batch_name=batch_name,
        )

    def entry(self, index: int) -> Notification:
        return self.notification(
            pass_id=self._passes.pass_id(self._pass[index]),
            message=self._passes.texts.text(self._message[index]),
            request=self._request[index],
            token=self._token[index],
            at_ns=self._at_ns[index],
            unix_ns=self._unix_ns[index],
            batch=self._batch[index],
        )

    def entries(self) -> Iterator[Notification]:
        """The present entries, without those that are added during the iteration."""
        return map(self.entry, range(len(self)))

    def _count(self, number: int, text: int) -> None:
        """Count a message. A pass's first message is in a column; only later messages need an entry in a dictionary."""
        if number >= len(self._first):
            self._first.extend([NO_TEXT] * (number + 1 - len(self._first)))
        if self._first[number] == NO_TEXT:
            self._first[number] = text
            self.distinct_passes += 1
            return
        message = self._passes.texts.text(text)
        key = (number, message)
        before = self._times.get(key)
        if before is None:
            before = 1 if self._passes.texts.text(self._first[number]) == message else 0
        self._times[key] = before + 1
        if before:
            self.surplus += 1


STORM: Final = "storm"
NO_PASS: Final = -1
_ENDINGS: Final = tuple(Ending)
_ENDPOINTS: Final = tuple(Endpoint)
_FAULTS: Final = (None, *(fault.value for fault in Fault), STORM, *STEP_FAULTS)
_ENDING_NUMBERS: Final = {ending: number for number, ending in enumerate(_ENDINGS)}
_ENDPOINT_NUMBERS: Final = {endpoint: number for number, endpoint in enumerate(_ENDPOINTS)}
_FAULT_NUMBERS: Final = {fault: number for number, fault in enumerate(_FAULTS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The head of a request as it arrived; `pass_number` is `NO_PASS` if the path has no pass."""

    method: str
    target: Target
    raw_path: str
    pass_number: int
    token: int
    at_ns: int
    unix_ns: int


class RequestLog:
    """The requests by number; `first` is the first number, so that numbers continue after a reset."""

    def __init__(self, *, passes: PassTable, tokens: TokenNames, started_ns: int, first: int) -> None:
        self._passes = passes
        self._tokens = tokens
        self._started_ns = started_ns
        self._first = first
        self._pass = array("i")
        self._token = array("I")
        self._at_ns = array("q")
        self._unix_ns = array("q")
        self._status = array("H")
        self._endpoint = array("B")
        self._ending = array("B")
        self._fault = array("H")
        self._unusual: dict[int, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._at_ns)

    @property
    def next_number(self) -> int:
        return self._first + len(self)

    def arrive(self, arrival: Arrival) -> int:
        """Record the request and return its number."""
        number = self.next_number
        if arrival.pass_number == NO_PASS or arrival.raw_path != self._usual_path(arrival.target.endpoint, arrival.pass_number):
            self._unusual[number] = (arrival.method, _printable(arrival.raw_path))
        self._pass.append(arrival.pass_number)
        self._token.append(arrival.token)
        self._at_ns.append(arrival.at_ns)
        self._unix_ns.append(arrival.unix_ns)
        self._status.append(NO_STATUS)
        self._endpoint.append(_ENDPOINT_NUMBERS[arrival.target.endpoint])
        self._ending.append(_ENDING_NUMBERS[Ending.OPEN])
        self._fault.append(0)
        return number

    def end(self, number: int, *, status: int, ending: Ending, fault: str | None) -> None:
        """Record how a request ended; a later call replaces it. Requests from before a reset are ignored."""
        index = number - self._first
        if index >= 0:
            self._status[index] = status
            self._ending[index] = _ENDING_NUMBERS[ending]
            self._fault[index] = _FAULT_NUMBERS[fault]

    def entries(self) -> Iterator[LoggedRequest]:
        """The present requests, without those that arrive during the iteration."""
        return map(self._entry, range(len(self)))

    def by_status(self) -> dict[str, int]:
        return {str(status): count for status, count in sorted(Counter(self._status).items()) if status != NO_STATUS}

    def by_ending(self) -> dict[str, int]:
        counts = Counter(self._ending)
        return {ending.value: counts[number] for ending, number in _ENDING_NUMBERS.items()}

    def by_fault(self) -> dict[str, int]:
        return {_FAULTS[number] or "": count for number, count in sorted(Counter(self._fault).items()) if number}

    def followed_redirects(self) -> tuple[int, int]:
        """The number of requests to a redirect's target, and how many of them had a token."""
        here = _ENDPOINT_NUMBERS[Endpoint.ELSEWHERE]
        tokens = [token for token, endpoint in zip(self._token, self._endpoint, strict=True) if endpoint == here]
        return len(tokens), sum(1 for token in tokens if token != NO_TOKEN)

    def _usual_path(self, endpoint: Endpoint, pass_number: int) -> str:
        return Target(endpoint=endpoint, segment=self._passes.segment(pass_number)).raw_path

    def _entry(self, index: int) -> LoggedRequest:
        endpoint = _ENDPOINTS[self._endpoint[index]]
        pass_number = self._pass[index]
        unusual = self._unusual.get(self._first + index)
        method, raw_path = unusual or (endpoint.value.partition(" ")[0], self._usual_path(endpoint, pass_number))
        return LoggedRequest(
            number=self._first + index,
            method=method,
            endpoint=endpoint.value,
            id=None if pass_number == NO_PASS else self._passes.pass_id(pass_number),
            raw_path=raw_path,
            at_seconds=(self._at_ns[index] - self._started_ns) / NS,
            unix_seconds=self._unix_ns[index] / NS,
            token=self._tokens.name(self._token[index]) or None,
            status=self._status[index] or None,
            ending=_ENDINGS[self._ending[index]],
            fault=_FAULTS[self._fault[index]],
        )


def _printable(raw_path: str) -> str:
    r"""The path with invalid UTF-8, which JSON can't hold, as `\xNN`."""
    return raw_path if raw_path.isascii() else raw_path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Records:
    """The audit, the requests, and a meter for each endpoint and token. `first` is the number of the next request."""

    def __init__(self, *, passes: PassTable, tokens: TokenNames, started_ns: int, first: int = 1) -> None:
        self.notifications = NotificationLog(passes=passes, tokens=tokens, started_ns=started_ns)
        self.requests = RequestLog(passes=passes, tokens=tokens, started_ns=started_ns, first=first)
        self._tokens = tokens
        self._started_ns = started_ns
        self._meters: dict[tuple[Endpoint, int], Meter] = {}

    def meter(self, endpoint: Endpoint, token: int) -> Meter:
        key = (endpoint, token)
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter()
        return meter

    def summary(self, *, now_ns: int, late_pending: int, batches: dict[str, int]) -> Summary:
        by_status = self.requests.by_status()
        by_ending = self.requests.by_ending()
        followed, followed_with_token = self.requests.followed_redirects()
        return Summary(
            processed=len(self.notifications),
            distinct_passes=self.notifications.distinct_passes,
            duplicates=self.notifications.duplicates,
            surplus=self.notifications.surplus,
            requests=len(self.requests),
            in_flight=by_ending[Ending.OPEN],
            late_pending=late_pending,
            throttled=Counter(by_status)["429"],
            redirects_followed=followed,
            redirects_followed_with_token=followed_with_token,
            by_status=by_status,
            by_ending=by_ending,
            by_fault=self.requests.by_fault(),
            endpoints=tuple(self._use(endpoint, token, meter) for (endpoint, token), meter in self._meters.items()),
            up_seconds=(now_ns - self._started_ns) / NS,
            processed_in_batches=self.notifications.in_batches,
            batches=batches,
        )

    def _use(self, endpoint: Endpoint, token: int, meter: Meter) -> EndpointUse:
        return EndpointUse(
            endpoint=endpoint.value,
            token=self._tokens.name(token),
            arrived=meter.arrived,
            admitted=meter.admitted,
            max_arrived_in_a_second=meter.max_arrived_in_a_second,
            max_admitted_in_a_second=meter.max_admitted_in_a_second,
            admitted_per_second=meter.admitted_per_second,
        )
