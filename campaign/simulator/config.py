"""The simulator's settings, and their form in JSON. All but `FIXED` can change while it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from ipaddress import ip_address
from math import inf
from pathlib import Path
from typing import Any, ClassVar, Final, get_type_hints

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from campaign.domain.errors import UsageError
from campaign.simulator.api.routes import fingerprint
from campaign.simulator.batches.faults import checked_batch_faults
from campaign.simulator.faults import Fault, checked_faults

VENDOR_RETRY_AFTER: Final = "x-rate-limit-retry-after"
ENTITY: Final = "simulated-entity"
BATCHES: Final = ("on", "off", "terms")
PORTALS: Final = ("", "page", "json", "301", "302", "307")
FIXED: Final = frozenset({"host", "port", "seed", "audit_file", "keep_alive_seconds"})


def _check(valid: object, setting: str, problem: str) -> None:
    if not valid:
        raise UsageError(problem, code="bad_value", setting=setting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The time that an answer takes, drawn evenly from this range. Half of it passes before the request is processed, half after."""

    low_seconds: float = 0.0
    high_seconds: float = 0.0

    def __post_init__(self) -> None:
        _check(
            0 <= self.low_seconds <= self.high_seconds < inf,
            "latency",
            f"A latency from {self.low_seconds:g} to {self.high_seconds:g} seconds can't be; give two numbers, the smaller one first.",
        )

    def at(self, share: float) -> float:
        """The latency in seconds at a position in the range, from 0 to 1."""
        return self.low_seconds + (self.high_seconds - self.low_seconds) * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """A time during which every POST that sends a single notification is answered 429.

    Args:
        seconds: the length of the storm.
        after_seconds: when the storm begins, counted from the simulator's start, or from the change of the setting.
        retry_after: the text of the header, valid or not; None sends no header.
        header: the name of the header, either the vendor's or `retry-after`.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    seconds: float
    after_seconds: float = 0.0
    retry_after: str | None = "1.0"
    header: str = VENDOR_RETRY_AFTER

    def __post_init__(self) -> None:
        _check_seconds("storm", self.seconds)
        _check_seconds("storm's start", self.after_seconds)
        if self.header.lower() not in {VENDOR_RETRY_AFTER, "retry-after"}:
            raise UsageError(
                f"A storm can't answer with the header “{self.header}”; give {VENDOR_RETRY_AFTER} or retry-after.", code="bad_header"
            )
        if self.retry_after is not None:
            check_header_text(self.retry_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """All settings of the simulator.

    Args:
        host: a loopback address, or `localhost`.
        port: the port; 0 takes any free one.
        seed: the seed of faults and latencies.
        audit_file: a file to which every processed notification is appended at once, as a line of JSON.
        keep_alive_seconds: the time after which an idle connection is closed.
        limit_per_second: the most admitted requests in any second, for each endpoint, method and token; 0 is no limit.
        latency, read_latency: the latency of a POST or PATCH, and of a GET.
        tokens: the accepted tokens; empty accepts any.
        forbidden_tokens: tokens that are answered 403.
        tokens_accepted_for: after this many more requests with an accepted token, every token is answered 401; None is no end.
        missing: passes that are answered 404.
        existing: if given, every other pass is answered 404.
        passes_per_page: the page size of the list of passes; 0 answers the list with 404.
        forbidden: passes of another owner, which are answered 403.
        portal: answers everything in place of the API: a web page, JSON of another service, or a redirect; empty for none.
        taken_then: the statuses that the fault `taken_then` answers with, in three forms, after the message was processed.
        statuses, device_types: the shares of passes by status and by device type, as weights; the id determines the value.
        undelivered_when_issued: a pass with the status `issued` is answered `notDelivered`, because it is in no wallet.
        faults: the probability of each fault for one request.
        storms: the times during which single notifications are throttled.
        retry_after: the text of the header that answers with a throttling fault have.
        slow_seconds, late_seconds, hang_seconds: the duration of the faults of that name.
        huge_bytes: the size of the bodies of `huge` and (unpacked) `gzip_bomb`.
        deep_levels: the number of brackets that `deep_json` opens.
        batches: `on`; `off` answers every request about batches with 403; `terms` answers creating and sending batches with 403.
        entities: the entities whose batches can be created; all others are answered 404.
        batch_faults: the probability of each fault, for one batch, or for one request at the step that begins the fault's name.
        validation_seconds: the time to validate a batch.
        sending_seconds, batch_messages_per_second: the fixed time to send a batch, and the rate that determines the time added for its
            recipients; a rate of 0 adds none.

    Raises:
        UsageError: a value is invalid.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    audit_file: Path | None = None
    keep_alive_seconds: float = 75.0
    limit_per_second: int = 10
    latency: Latency = Latency()
    read_latency: Latency = Latency()
    tokens: frozenset[str] = frozenset()
    forbidden_tokens: frozenset[str] = frozenset()
    tokens_accepted_for: int | None = None
    missing: frozenset[str] = frozenset()
    existing: frozenset[str] | None = None
    passes_per_page: int = 25
    forbidden: frozenset[str] = frozenset()
    portal: str = ""
    taken_then: tuple[int, ...] = (408, 425, 499, 460)
    statuses: Mapping[str, float] = field(default_factory=lambda: {"active": 1.0})
    device_types: Mapping[str, float] = field(default_factory=lambda: {"apple": 0.6, "android": 0.4})
    undelivered_when_issued: bool = False
    faults: Mapping[Fault, float] = field(default_factory=dict)
    storms: tuple[Storm, ...] = ()
    retry_after: str = "1.0"
    slow_seconds: float = 3.0
    late_seconds: float = 5.0
    hang_seconds: float = 300.0
    huge_bytes: int = 100_000_000
    deep_levels: int = 100_000
    batches: str = "on"
    entities: frozenset[str] = frozenset({ENTITY})
    batch_faults: Mapping[str, float] = field(default_factory=dict)
    validation_seconds: float = 0.2
    sending_seconds: float = 0.5
    batch_messages_per_second: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", _loopback(self.host))
        object.__setattr__(self, "faults", checked_faults({str(name): probability for name, probability in self.faults.items()}))
        object.__setattr__(self, "batch_faults", checked_batch_faults(self.batch_faults))
        _check(0 <= self.port <= 65535, "port", f"{self.port} is not a port; give one from 1 to 65535, or 0 for any free one.")
        _check(
            self.passes_per_page >= 0,
            "passes_per_page",
            f"{self.passes_per_page} passes a page can't be; give a whole number, 0 for no list.",
        )
        _check(
            self.limit_per_second >= 0,
            "limit_per_second",
            f"The limit of {self.limit_per_second} requests a second can't be; give a whole number, 0 for no limit.",
        )
        _check(
            self.tokens_accepted_for is None or self.tokens_accepted_for >= 0,
            "tokens_accepted_for",
            f"Tokens can't be accepted for {self.tokens_accepted_for} requests; give 0 or more.",
        )
        _check(
            self.keep_alive_seconds > 0,
            "keep_alive_seconds",
            f"Connections can't be kept for {self.keep_alive_seconds:g} seconds; give more than 0.",
        )
        for name in ("slow", "late", "hang", "validation", "sending"):
            _check_seconds(name, getattr(self, f"{name}_seconds"))
        sizes = "A huge body needs at least 1 byte, and a deep one at least 1 level; give more than 0."
        _check(min(self.huge_bytes, self.deep_levels) >= 1, "body", sizes)
        check_header_text(self.retry_after)
        _check(self.portal in PORTALS, "portal", f"There is no portal “{self.portal}”; known are {', '.join(PORTALS[1:])}.")
        _check(
            self.taken_then and all(200 <= status <= 599 for status in self.taken_then),
            "taken_then",
            f"A message can't be answered with {list(self.taken_then)}; give statuses from 200 to 599.",
        )
        _check(self.batches in BATCHES, "batches", f"Batches can't be “{self.batches}”; give {', '.join(BATCHES)}.")
        _check(
            0 <= self.batch_messages_per_second < inf,
            "batch_messages_per_second",
            f"A batch can't send {self.batch_messages_per_second:g} messages a second; give 0 or more.",
        )
        _check_weights("statuses", self.statuses)
        _check_weights("device types", self.device_types)


def check_header_text(text: str) -> None:
    if not text.isprintable() or not text.isascii():
        raise UsageError(f"{text!r} can't be in a header; give printable ASCII text on one line.", code="bad_header")


def _loopback(host: str) -> str:
    """The address of a loopback host. `localhost` becomes an address, because port 0 would be different ports for IPv4 and IPv6."""
    try:
        found = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        found = None
    if found is None or not found.is_loopback:
        raise UsageError(
            f"The simulator can't listen on “{host}”: it works on this machine only; give 127.0.0.1 or ::1.", code="not_loopback"
        )
    return str(found)


def _check_seconds(name: str, seconds: float) -> None:
    _check(0 <= seconds < inf, name, f"The {name} can't take {seconds:g} seconds; give 0 or more.")


def _check_weights(name: str, weights: Mapping[str, float]) -> None:
    _check(
        all(0 <= weight < inf for weight in weights.values()) and sum(weights.values()) > 0,
        name,
        f"The {name} have invalid weights: {dict(weights)}; give at least one above 0, none below.",
    )


CHANGEABLE: Final = tuple(item.name for item in fields(SimulatorConfig) if item.name not in FIXED)


def check_names(names: Iterable[str]) -> None:
    """Check that all settings can be changed.

    Raises:
        UsageError: there is no such setting (the error names the nearest), or it is fixed while the simulator runs.
    """
    for name in names:
        if name in FIXED:
            raise UsageError(
                f"The setting “{name}” can't be changed while the simulator runs; start another one.", code="not_changeable", setting=name
            )
        if name not in CHANGEABLE:
            near = get_close_matches(name, CHANGEABLE, n=1)
            raise UsageError(
                f"There is no setting “{name}”; " + (f"did you mean “{near[0]}”?" if near else f"known are {', '.join(CHANGEABLE)}."),
                code="unknown_setting",
                setting=name,
            )


_SECRET: Final = ("tokens", "forbidden_tokens")


def read_changes(document: object) -> dict[str, Any]:
    """The fields of the configuration that a JSON object has.

    Raises:
        UsageError: the document is no object, a setting is unknown or fixed, or a value has the wrong type.
    """
    if not isinstance(document, dict):
        raise UsageError("The settings are not a JSON object; send one such as {“limit_per_second”: 10}.", code="not_an_object")
    check_names(document)
    return {name: _read(name, value) for name, value in document.items()}


def settings_json(config: SimulatorConfig) -> dict[str, Any]:
    """The present values of all changeable settings, with tokens as fingerprints."""
    values: dict[str, Any] = {name: getattr(config, name) for name in CHANGEABLE}
    shown = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}
    return shown | {
        "taken_then": list(config.taken_then),
        **{name: sorted(map(fingerprint, values[name])) for name in _SECRET},
        "faults": {fault.value: probability for fault, probability in config.faults.items()},
        "latency": [config.latency.low_seconds, config.latency.high_seconds],
        "read_latency": [config.read_latency.low_seconds, config.read_latency.high_seconds],
        "storms": [asdict(storm) for storm in config.storms],
    }


_KINDS: Final = get_type_hints(SimulatorConfig) | {
    "faults": Mapping[str, float],
    **dict.fromkeys(("latency", "read_latency"), tuple[float, float] | float),
}
"""The type of each setting in JSON. A latency is a range, or one number; faults are checked with the whole configuration."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[name])


def _read(name: str, value: object) -> Any:
    try:
        found = _adapter(name).validate_json(orjson.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        setting = ".".join([name, *(str(key) for key in first["loc"] if name == "storms" and isinstance(key, str))])
        why = first["msg"].replace("Input should", "it should")
        sentence = f"The setting “{setting}” can't be {first['input']!r}: {why[:1].lower()}{why[1:]}."
        raise UsageError(sentence, code="bad_value", setting=setting) from None
    if name in {"latency", "read_latency"}:
        low, high = found if isinstance(found, tuple) else (found, found)
        return Latency(low_seconds=low, high_seconds=high)
    return found
