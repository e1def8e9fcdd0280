"""How the simulator behaves. All but `FIXED` can also be changed while it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from math import isfinite
from pathlib import Path
from typing import Final

from campaign.domain.errors import UsageError
from campaign.simulator.batches.faults import checked_batch_faults
from campaign.simulator.faults import Fault, checked_faults

VENDOR_RETRY_AFTER: Final = "x-rate-limit-retry-after"
ENTITY: Final = "simulated-entity"
BATCHES: Final = ("on", "off", "terms")
PORTALS: Final = ("", "page", "json", "301", "302", "307")
FIXED: Final = frozenset({"host", "port", "seed", "audit_file", "keep_alive_seconds"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long an answer takes, drawn evenly from this range. Half of it passes before the request is processed, half after."""

    low_seconds: float = 0.0
    high_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.low_seconds <= self.high_seconds or not isfinite(self.high_seconds):
            raise UsageError(
                f"A latency from {self.low_seconds:g} to {self.high_seconds:g} seconds can't be; give two numbers, the smaller one first.",
                code="bad_value",
                setting="latency",
            )

    def at(self, share: float) -> float:
        """Seconds at `share` of the way through the range."""
        return self.low_seconds + (self.high_seconds - self.low_seconds) * share


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """For a while every POST is answered 429.

    Args:
        seconds: how long it lasts.
        after_seconds: when it begins, counted from the start of the simulator, or from when it was asked for.
        retry_after: the text of the header, sensible or not; None leaves it out.
        header: its name; the vendor's own, or plain `retry-after`.
    """

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
    """What the simulator is and does.

    Args:
        host: a loopback address.
        port: 0 takes any free one.
        seed: what the faults and latencies are drawn from.
        audit_file: to which every processed notification is appended as a line of JSON, at once.
        keep_alive_seconds: after which an idle connection is closed.
        limit_per_second: admitted requests in any second, for each endpoint, method and token; 0 is no limit.
        latency, read_latency: of a POST, and of a GET.
        tokens: those that are let in; empty lets in any.
        forbidden_tokens: those that are answered 403.
        tokens_accepted_for: after so many requests more, from whomever, every token is answered 401.
        missing: passes that are answered 404.
        existing: if given, every other pass is answered 404.
        passes_per_page: of the list of passes; 0 answers it 404.
        forbidden: passes of another owner, that are answered 403.
        portal: answers everything in the API's place: a web page, JSON of another service, or a redirect; empty is nobody.
        taken_then: the statuses that the fault `taken_then` answers with, in three forms, after the message was processed.
        statuses, device_types: which share of the passes is what, by weight; the id decides which.
        undelivered_when_issued: a pass whose status is `issued` is answered `notDelivered`, as there is no wallet to show it.
        faults: the probability of each, for one request.
        storms: when every POST is throttled.
        retry_after: the text of the header that goes with the faults `throttle` and `read_throttle`.
        slow_seconds, late_seconds, hang_seconds: how long the faults of that name take.
        huge_bytes: the size of the bodies of `huge` and (unpacked) `gzip_bomb`.
        deep_levels: how many brackets `deep_json` opens.
        batches: `off` answers 403 to everything about batches, `terms` to creating and sending them, until terms are accepted.
        entities: whose batches can be created; all others are answered 404.
        batch_faults: the probability of each, for one batch, or for one request at the step that the name begins with.
        validation_seconds: how long a batch is validated.
        sending_seconds, batch_messages_per_second: how long a batch is sent, and by how much longer for its recipients; 0 is no longer.

    Raises:
        UsageError: a value that can't be.
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
        if not 0 <= self.port <= 65535:
            raise UsageError(
                f"{self.port} is not a port; give one from 1 to 65535, or 0 for any free one.", code="bad_value", setting="port"
            )
        if self.passes_per_page < 0:
            raise UsageError(
                f"{self.passes_per_page} passes a page can't be; give a whole number, 0 for no list.",
                code="bad_value",
                setting="passes_per_page",
            )
        if self.limit_per_second < 0:
            raise UsageError(
                f"The limit of {self.limit_per_second} requests a second can't be; give a whole number, 0 for no limit.",
                code="bad_value",
                setting="limit_per_second",
            )
        if self.tokens_accepted_for is not None and self.tokens_accepted_for < 0:
            raise UsageError(
                f"Tokens can't be accepted for {self.tokens_accepted_for} requests; give 0 or more.",
                code="bad_value",
                setting="tokens_accepted_for",
            )
        if self.keep_alive_seconds <= 0:
            raise UsageError(
                f"Connections can't be kept for {self.keep_alive_seconds:g} seconds; give more than 0.",
                code="bad_value",
                setting="keep_alive_seconds",
            )
        for name in ("slow", "late", "hang", "validation", "sending"):
            _check_seconds(name, getattr(self, f"{name}_seconds"))
        if min(self.huge_bytes, self.deep_levels) < 1:
            raise UsageError(
                "A huge body needs at least 1 byte, and a deep one at least 1 level; give more than 0.", code="bad_value", setting="body"
            )
        check_header_text(self.retry_after)
        if self.portal not in PORTALS:
            raise UsageError(f"There is no portal “{self.portal}”; known are {', '.join(PORTALS[1:])}.", code="bad_value", setting="portal")
        if not self.taken_then or not all(200 <= status <= 599 for status in self.taken_then):
            raise UsageError(
                f"A message can't be answered with {list(self.taken_then)}; give statuses from 200 to 599.",
                code="bad_value",
                setting="taken_then",
            )
        _check_batches(self.batches, self.batch_messages_per_second)
        _check_weights("statuses", self.statuses)
        _check_weights("device types", self.device_types)


def check_header_text(text: str) -> None:
    if not text.isprintable() or not text.isascii():
        raise UsageError(f"{text!r} can't be in a header; give printable ASCII text on one line.", code="bad_header")


def _loopback(host: str) -> str:
    """`localhost` is made an address, or port 0 would be another port for IPv4 than for IPv6."""
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
    if not isfinite(seconds) or seconds < 0:
        raise UsageError(f"The {name} can't take {seconds:g} seconds; give 0 or more.", code="bad_value", setting=name)


def _check_batches(batches: str, per_second: float) -> None:
    if batches not in BATCHES:
        raise UsageError(f"Batches can't be “{batches}”; give {', '.join(BATCHES)}.", code="bad_value", setting="batches")
    if not isfinite(per_second) or per_second < 0:
        raise UsageError(
            f"A batch can't send {per_second:g} messages a second; give 0 or more.",
            code="bad_value",
            setting="batch_messages_per_second",
        )


def _check_weights(name: str, weights: Mapping[str, float]) -> None:
    if not all(isfinite(weight) and weight >= 0 for weight in weights.values()) or sum(weights.values()) <= 0:
        raise UsageError(
            f"The {name} have invalid weights: {dict(weights)}; give at least one above 0, none below.",
            code="bad_value",
            setting=name,
        )


CHANGEABLE: Final = tuple(item.name for item in fields(SimulatorConfig) if item.name not in FIXED)


def check_names(names: Iterable[str]) -> None:
    """Lets only those through that can be changed.

    Raises:
        UsageError: no such setting (the nearest is named), or one that is fixed while the simulator runs.
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
