"""What each fault does, as one table: whether the message is processed, and what becomes of the connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from campaign.simulator.faults import Fault

NO_STATUS: Final = 0


class Processing(Enum):
    NEVER = auto()
    NOW = auto()
    LATE = auto()


class Act(Enum):
    """What is done with the connection. CLOSE ends it in good order, RESET as if the power had gone; both say nothing more."""

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
    """What an answer says."""

    PASS = auto()
    PASS_WITHOUT_MESSAGE = auto()
    PASS_WITH_NULL_MESSAGE = auto()
    ERRORS = auto()
    HTML = auto()
    HALF = auto()
    DEEP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    act: Act = Act.ANSWER
    status: int = 200
    body: Body = Body.PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`ends` are the forms that the fault takes; a request's luck picks one. Without `reads_body` nothing of it is waited for."""

    ends: tuple[End, ...] = (End(),)
    processing: Processing = Processing.NEVER
    reads_body: bool = True

    @property
    def needs_pass(self) -> bool:
        """Whether a pass that does not exist, or a message that can't be, is answered as ever, and the fault does not happen."""
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
        # Its status is the configuration's.
        Fault.TAKEN_THEN: _done(End(body=Body.HTML)),
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
"""Answered by what stands between: without any of the headers that the API's own answers have."""

NORMAL_NOTIFY: Final = _done()
NORMAL_SHOW: Final = Plan()
