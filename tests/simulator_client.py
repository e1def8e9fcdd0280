"""Controls a running simulator from tests. Calls block; inside the simulator's event loop, use `Simulator`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from campaign.domain.errors import UsageError
from campaign.simulator.config import Latency, Storm
from campaign.simulator.passes import UNCHANGED, PassChange, Unchanged
from campaign.simulator.records import BatchRecord, Ending, EndpointUse, LoggedRequest, Notification, Summary

_TIMEOUT_SECONDS: Final = 60.0


class SimulatorClient:
    """Every method raises UsageError, with the simulator's message, if the simulator refuses the call, and OSError without an answer.

    Args:
        url: the http URL on loopback that the simulator printed.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme != "http":
            raise UsageError(f"{url} is not the simulator's address; give the http URL that it printed.", code="bad_url")
        self.url = url.rstrip("/")
        self._root = f"{self.url}/_simulator/"
        self._opener: OpenerDirector = build_opener(ProxyHandler({}))

    def audit(self) -> list[Notification]:
        """Every processed notification, in the order of processing."""
        return [Notification(**line) for line in self._lines("audit")]

    def requests(self) -> list[LoggedRequest]:
        """Every request that arrived, in the order of arrival."""
        return [LoggedRequest(**line | {"ending": Ending(line["ending"])}) for line in self._lines("requests")]

    def batches(self) -> list[BatchRecord]:
        """Every batch, in the order of creation."""
        return [BatchRecord(**line) for line in self._lines("batches")]

    def summary(self) -> Summary:
        found = self._call("GET", "summary")
        return Summary(**found | {"endpoints": tuple(EndpointUse(**use) for use in found["endpoints"])})

    def set_faults(self, **changes: object) -> dict[str, Any]:
        """Change any fields of `SimulatorConfig` except `config.FIXED`, and return all changeable settings."""
        return self._call("PUT", "faults", changes_json(changes))

    def settings(self) -> dict[str, Any]:
        """The present values of all changeable settings, with tokens as fingerprints."""
        return self._call("GET", "faults")

    def set_pass(
        self,
        pass_id: str,
        *,
        latest_message: str | Unchanged | None = UNCHANGED,
        status: str | None = None,
        device_type: str | None = None,
    ) -> None:
        """Change a pass as if someone else wrote to it; arguments that are not given leave it unchanged."""
        change = PassChange(latest_message=latest_message, status=status, device_type=device_type)
        self._call("PUT", f"passes/{quote(pass_id, safe='')}", change_json(change))

    def outage(self, seconds: float) -> None:
        """Stop listening for this time, a moment after this call returns."""
        self._call("PUT", "outage", {"seconds": seconds})

    def reset(self, *, passes: bool = False) -> None:
        """Clear audit, requests and figures; with `passes` also all batches, and every pass with its messages and turns."""
        self._call("DELETE", "audit?passes=true" if passes else "audit")

    def _call(self, method: str, path: str, document: object = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask(method, path, document))
        return found

    def _lines(self, path: str) -> Iterator[dict[str, Any]]:
        return map(json.loads, self._ask("GET", path).splitlines())

    def _ask(self, method: str, path: str, document: object = None) -> bytes:
        body = None if document is None else json.dumps(document).encode()
        request = Request(self._root + path, data=body, method=method, headers={"Content-Type": "application/json"})  # noqa: S310 - http only, see __init__
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                answer: bytes = response.read()
                return answer
        except HTTPError as error:
            with error:
                raise _refusal(error.read()) from error


def _refusal(body: bytes) -> UsageError:
    try:
        answer = json.loads(body)
        return UsageError(" ".join(answer["errors"]), code=answer["code"])
    except (ValueError, KeyError, TypeError):
        return UsageError(f"The simulator answered: {body[:200]!r}", code="simulator_refused")


def changes_json(changes: Mapping[str, object]) -> dict[str, object]:
    """Fields of the configuration as JSON values, which `read_changes` reads."""
    return {name: _plain(value) for name, value in changes.items()}


def _plain(value: object) -> object:
    match value:
        case Latency():
            return [value.low_seconds, value.high_seconds]
        case frozenset():
            return sorted(value)
        case tuple():
            return [asdict(item) if isinstance(item, Storm) else item for item in value]
        case _:
            return value


def change_json(change: PassChange) -> dict[str, str | None]:
    """The given fields, under their names in the API."""
    found: dict[str, str | None] = {}
    if change.latest_message is not UNCHANGED:
        found["latestMessage"] = change.latest_message
    if change.status is not None:
        found["status"] = change.status
    if change.device_type is not None:
        found["deviceType"] = change.device_type
    return found
