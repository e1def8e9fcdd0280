"""The faults by name, the choice for a request (the same for the same seed, method, pass and turn), and the effect of each."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, StrEnum, auto
from hashlib import blake2b
from itertools import accumulate
from math import isfinite
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from campaign.domain.errors import UsageError


class Fault(StrEnum):
    """The faults of one request; `PLANS` defines their effects. Faults that begin with `read_` are for GET, the others for POST."""

    REFUSE = "refuse"
    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    CUT_JSON = "cut_json"
    CUT_BODY = "cut_body"
    HTML = "html"
    HTML_OK = "html_ok"
    NOT_FOUND = "not_found"
    UNPROCESSABLE = "unprocessable"
    CONFLICT = "conflict"
    GONE = "gone"
    NOT_DELIVERED = "not_delivered"
    UNKNOWN_STATUS = "unknown_status"
    THROTTLE = "throttle"
    LATE = "late"
    SLOW = "slow"
    REDIRECT = "redirect"
    HUGE = "huge"
    GZIP_BOMB = "gzip_bomb"
    ENDLESS_HEADERS = "endless_headers"
    DEEP_JSON = "deep_json"
    TAKEN_THEN = "taken_then"
    BLOCKED = "blocked"
    READ_ERROR = "read_error"
    READ_MISSING = "read_missing"
    READ_NULL = "read_null"
    READ_HANG = "read_hang"
    READ_HTML = "read_html"
    READ_CUT = "read_cut"
    READ_THROTTLE = "read_throttle"

    @property
    def method(self) -> str:
        return "GET" if self.value.startswith("read_") else "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The random values of one request: `chance` and `share` are in [0, 1), `variant` selects one of a fault's forms."""

    chance: float
    share: float
    variant: int


def draw(*, seed: int, method: str, pass_id: str, turn: int) -> Draw:
    """The random values of the `turn`-th admitted request (from 1) with this method to this pass."""
    digest = blake2b(f"{seed}\0{method}\0{turn}\0{pass_id}".encode(), digest_size=24).digest()
    return Draw(chance=_fraction(digest[:8]), share=_fraction(digest[8:16]), variant=int.from_bytes(digest[16:]))


def _fraction(eight_bytes: bytes) -> float:
    return (int.from_bytes(eight_bytes) >> 11) / (1 << 53)


Named = TypeVar("Named")


class Chances(Generic[Named]):
    """Divides [0, 1) into one interval a fault, as wide as its probability, in the given order."""

    def __init__(self, faults: Mapping[Named, float]) -> None:
        asked = {fault: probability for fault, probability in faults.items() if probability > 0}
        self._faults = tuple(asked)
        self._ends = list(accumulate(asked.values()))

    def choose(self, chance: float) -> Named | None:
        place = bisect_right(self._ends, chance)
        return self._faults[place] if place < len(self._faults) else None


class FaultTable:
    """Chooses a request's fault by method; the intervals are in the order of `Fault`."""

    def __init__(self, faults: Mapping[Fault, float]) -> None:
        self._chances = {
            method: Chances({fault: faults.get(fault, 0.0) for fault in Fault if fault.method == method}) for method in ("GET", "POST")
        }

    def choose(self, method: str, chance: float) -> Fault | None:
        return self._chances[method].choose(chance)


def checked_faults(faults: Mapping[str, float]) -> dict[Fault, float]:
    """The same probabilities by member of `Fault`.

    Raises:
        UsageError: there is no such fault, a value is no probability, or those of one method add up to more than 1.
    """
    known = {fault_named(name): checked_probability(name, probability) for name, probability in faults.items()}
    for method in ("GET", "POST"):
        total = sum(probability for fault, probability in known.items() if fault.method == method)
        check_total(f"of {method} requests", total, one="a request")
    return known


def check_total(whose: str, total: float, *, one: str) -> None:
    if total > 1 + 1e-9:
        raise UsageError(
            f"The faults {whose} add up to {total:.0%}, and {one} has at most one; ask for 100% or less.", code="bad_probability"
        )


def fault_named(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        raise unknown_fault(name, list(Fault)) from None


def unknown_fault(name: str, known: Sequence[str]) -> UsageError:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean “{near[0]}”?" if near else f"known are {', '.join(known)}."
    return UsageError(f"There is no fault “{name}”; {hint}", code="unknown_fault", fault=name)


def parse_faults(texts: Iterable[str]) -> dict[Fault, float]:
    """Read faults from options: `cut_after=0.05`, or `cut_after=5%`.

    Raises:
        UsageError: a text has another form, there is no such fault (the error names the nearest), a fault is given twice, or a value is no
            probability.
    """
    return checked_faults(read_probabilities(texts))


def read_probabilities(texts: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, equals, probability = (part.strip() for part in text.partition("="))
        if not equals or not name or not probability:
            raise UsageError(
                f"The fault “{text}” has no probability; write it as name=0.05 or name=5%.", code="bad_probability", fault=text
            )
        if name in found:
            raise UsageError(f"The fault “{name}” is given twice; give it once.", code="repeated_fault", fault=name)
        found[name] = _read_probability(name, probability)
    return found


def _read_probability(name: str, text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise UsageError(_not_a_probability(name, text), code="bad_probability", fault=name) from None


def checked_probability(name: str, probability: float) -> float:
    if not isfinite(probability) or not 0 <= probability <= 1:
        raise UsageError(_not_a_probability(name, f"{probability:g}"), code="bad_probability", fault=name)
    return probability


def _not_a_probability(name: str, text: str) -> str:
    return f"The fault “{name}” has “{text}” for a probability; give a number from 0 to 1, or a percentage such as 5%."


NO_STATUS: Final = 0


class Processing(Enum):
    NEVER = auto()
    NOW = auto()
    LATE = auto()


class Act(Enum):
    """The effect on the connection. CLOSE ends it properly, RESET abruptly; both without an answer."""

    ANSWER = auto()
    ANSWER_SLOWLY = auto()
    CLOSE = auto()
    RESET = auto()
    HANG = auto()
    CUT_BODY = auto()
    HUGE = auto()
    GZIP_BOMB = auto()
    ENDLESS_HEADERS = auto()


class Body(Enum):
    PASS = auto()
    PASS_WITHOUT_MESSAGE = auto()
    PASS_WITH_NULL_MESSAGE = auto()
    ERRORS = auto()
    HTML = auto()
    WORDS = auto()
    NOTHING = auto()
    HALF = auto()
    DEEP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    act: Act = Act.ANSWER
    status: int = 200
    body: Body = Body.PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The effect of a fault. `ends` are its forms, of which `Draw.variant` selects one. Without `reads_body` the body isn't read."""

    ends: tuple[End, ...] = (End(),)
    processing: Processing = Processing.NEVER
    reads_body: bool = True

    @property
    def needs_pass(self) -> bool:
        """Whether the fault is skipped, with the usual refusal, if the pass doesn't exist or the message is invalid."""
        return self.processing is not Processing.NEVER or any(end.status == 200 and end.body is not Body.HTML for end in self.ends)

    def end(self, variant: int) -> End:
        return self.ends[variant % len(self.ends)]


_SILENCE: Final = (End(act=Act.CLOSE, status=NO_STATUS), End(act=Act.RESET, status=NO_STATUS))
_HANG: Final = (End(act=Act.HANG, status=NO_STATUS),)
_ERRORS: Final = tuple(End(status=status, body=Body.ERRORS) for status in (500, 502, 503))
_HTML_ERRORS: Final = tuple(End(status=status, body=Body.HTML) for status in (502, 503))


def _refusal(status: int) -> Plan:
    return Plan(ends=(End(status=status, body=Body.ERRORS),))


def _done(*ends: End) -> Plan:
    return Plan(ends=ends or (End(),), processing=Processing.NOW)


PLANS: Final[Mapping[Fault, Plan]] = MappingProxyType(
    {
        Fault.REFUSE: Plan(ends=(End(act=Act.RESET, status=NO_STATUS),), reads_body=False),
        Fault.CUT_BEFORE: Plan(ends=_SILENCE),
        Fault.CUT_AFTER: _done(*_SILENCE),
        Fault.HANG_BEFORE: Plan(ends=_HANG),
        Fault.HANG_AFTER: _done(*_HANG),
        Fault.ERROR_BEFORE: Plan(ends=_ERRORS),
        Fault.ERROR_AFTER: _done(*_ERRORS),
        Fault.CUT_JSON: _done(End(body=Body.HALF)),
        Fault.CUT_BODY: _done(End(act=Act.CUT_BODY)),
        Fault.HTML: Plan(ends=_HTML_ERRORS),
        Fault.HTML_OK: _done(End(body=Body.HTML)),
        Fault.NOT_FOUND: _refusal(404),
        Fault.UNPROCESSABLE: _refusal(422),
        Fault.CONFLICT: _refusal(409),
        Fault.GONE: _refusal(410),
        Fault.NOT_DELIVERED: _done(),
        Fault.UNKNOWN_STATUS: _done(),
        Fault.THROTTLE: _refusal(429),
        Fault.LATE: Plan(ends=(End(status=504, body=Body.ERRORS), *_SILENCE), processing=Processing.LATE),
        Fault.SLOW: _done(End(act=Act.ANSWER_SLOWLY)),
        Fault.REDIRECT: _refusal(307),
        Fault.HUGE: _done(End(act=Act.HUGE)),
        Fault.GZIP_BOMB: _done(End(act=Act.GZIP_BOMB)),
        Fault.ENDLESS_HEADERS: _done(End(act=Act.ENDLESS_HEADERS)),
        Fault.DEEP_JSON: _done(End(body=Body.DEEP)),
        # The configuration defines the status.
        Fault.TAKEN_THEN: _done(End(body=Body.HTML), End(body=Body.WORDS), End(body=Body.NOTHING)),
        Fault.BLOCKED: Plan(ends=(End(status=403, body=Body.HTML),)),
        Fault.READ_ERROR: _refusal(500),
        Fault.READ_MISSING: Plan(ends=(End(body=Body.PASS_WITHOUT_MESSAGE),)),
        Fault.READ_NULL: Plan(ends=(End(body=Body.PASS_WITH_NULL_MESSAGE),)),
        Fault.READ_HANG: Plan(ends=_HANG),
        Fault.READ_HTML: Plan(ends=(*_HTML_ERRORS, End(body=Body.HTML))),
        Fault.READ_CUT: Plan(ends=_SILENCE),
        Fault.READ_THROTTLE: _refusal(429),
    }
)
BY_SOMEBODY_ELSE: Final = frozenset({Fault.TAKEN_THEN, Fault.BLOCKED})
"""Faults whose answer comes from an intermediary, without the headers of the API's answers."""

NORMAL_NOTIFY: Final = _done()
NORMAL_SHOW: Final = Plan()
