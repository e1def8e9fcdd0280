"""What happens to a run besides its rows: one table from its events to what a person is told of them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from campaign.domain.forecast import moment_in_words
from campaign.reporter.reasons import reason_in_words

_UNREACHABLE: Final = frozenset({"dns", "connect", "connect_timeout", "tls"})

_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "backing_off": lambda details: (
        "PassEntry can't be reached" if details["reason"] in _UNREACHABLE else reason_in_words(details["reason"])
    ),
    "throttled": lambda _: "PassEntry asks to slow down",
    "others_use_the_token": lambda details: (
        f"others use the token, at {details['per_second']:g} a second; this run goes on at {details['left_per_second']:g}"
    ),
    "sending_without_baselines": lambda details: (
        f"passes can't be read, so for {details['seconds']:.0f} s messages go out without --baseline"
    ),
    "texts_are_not_shown_as_sent": lambda _: (
        "PassEntry does not show texts as they were sent, so reading back can't settle what is unknown"
    ),
    "worker_lost": lambda _: "a worker was lost, and is replaced; what it had under way is read back",
    "ledger_not_seen": lambda _: "the ledger does not answer",
    "waiting_for_its_time": lambda details: f"it is not the time to send: this goes on at {_moment(details['until'])}",
}


def event_in_words(event: str, **details: Any) -> str:
    """What an event of a run means, without a full stop; empty for one that speaks of rows only, or is told elsewhere."""
    words = _WORDS.get(event)
    return "" if words is None else words(details)


def _moment(iso: str) -> str:
    """A moment by this machine's own clock, for the person in front of it."""
    at = datetime.fromisoformat(iso).astimezone()
    return moment_in_words(at, now=datetime.now(UTC), in_zone=at.tzinfo or UTC)
