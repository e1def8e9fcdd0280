"""Who is let in: token, storm, limit, in this order, and what the answer says of the limit."""

from dataclasses import dataclass, field
from typing import Final

from campaign.simulator.config import VENDOR_RETRY_AFTER, SimulatorConfig, Storm
from campaign.simulator.limit import SECOND_NS, SlidingWindow, limit_headers, retry_after
from campaign.simulator.messages import Objection
from campaign.simulator.routes import Endpoint
from campaign.simulator.tokens import Allowance

_UNAUTHORIZED: Final = Objection(status=401, error="Unauthorized")
_FORBIDDEN: Final = Objection(status=403, error="Forbidden")
THROTTLED: Final = Objection(status=429, error="Too Many Requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`objection` is None for a request that was admitted, and counts against the limit."""

    objection: Objection | None = None
    headers: dict[str, str] = field(default_factory=dict)
    in_storm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _DatedStorm:
    storm: Storm
    from_ns: int
    until_ns: int


class Gate:
    """Remembers what was admitted, how often a token may still be used, and when there is a storm. Times do not run backwards."""

    def __init__(self, config: SimulatorConfig, *, now_ns: int) -> None:
        self._windows: dict[tuple[Endpoint, int], SlidingWindow] = {}
        self._config = config
        self._allowance = Allowance(config.tokens_accepted_for)
        self._storms = _dated(config.storms, now_ns)

    def configure(self, config: SimulatorConfig, *, changed: frozenset[str], now_ns: int) -> None:
        """Takes over what was changed; storms that were asked for now are counted from now."""
        self._config = config
        if "tokens_accepted_for" in changed:
            self._allowance = Allowance(config.tokens_accepted_for)
        if "storms" in changed:
            self._storms = _dated(config.storms, now_ns)

    def judge(self, endpoint: Endpoint, *, token: str | None, token_number: int, now_ns: int, unix_ns: int) -> Verdict:
        """Admits the request, or says why not. A refused one counts for nothing."""
        limit = self._config.limit_per_second
        window = self._windows.setdefault((endpoint, token_number), SlidingWindow())
        objection = self._objection_to(token)
        storm = self._storm_at(now_ns) if endpoint is Endpoint.NOTIFY and objection is None else None
        if storm is not None or (objection is None and limit and not window.admit(now_ns, limit)):
            objection = THROTTLED
        room = window.room(now_ns, limit)
        headers = limit_headers(room, limit=limit, endpoint_path=endpoint.path, unix_ns=unix_ns) if limit else {}
        if storm is None and objection is THROTTLED:
            headers[VENDOR_RETRY_AFTER] = retry_after(room)
        elif storm is not None and storm.retry_after is not None:
            headers[storm.header] = storm.retry_after
        return Verdict(objection=objection, headers=headers, in_storm=storm is not None)

    def _objection_to(self, token: str | None) -> Objection | None:
        config = self._config
        if token is None or (config.tokens and token not in config.tokens | config.forbidden_tokens):
            return _UNAUTHORIZED
        if token in config.forbidden_tokens:
            return _FORBIDDEN
        return None if self._allowance.take() else _UNAUTHORIZED

    def _storm_at(self, now_ns: int) -> Storm | None:
        return next((dated.storm for dated in self._storms if dated.from_ns <= now_ns < dated.until_ns), None)


def _dated(storms: tuple[Storm, ...], now_ns: int) -> tuple[_DatedStorm, ...]:
    return tuple(
        _DatedStorm(
            storm=storm,
            from_ns=now_ns + round(storm.after_seconds * SECOND_NS),
            until_ns=now_ns + round((storm.after_seconds + storm.seconds) * SECOND_NS),
        )
        for storm in storms
    )
