"""Converts settings to and from JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, get_type_hints

from campaign.domain.errors import UsageError
from campaign.simulator.api.routes import fingerprint
from campaign.simulator.config import CHANGEABLE, Latency, SimulatorConfig, Storm, check_names
from campaign.simulator.faults import Fault

_SECRET: Final = ("tokens", "forbidden_tokens")


def read_changes(document: object) -> dict[str, Any]:
    """The fields of the configuration that a JSON object has.

    Raises:
        UsageError: the document is no object, a setting is unknown or fixed, or a value has the wrong type.
    """
    if not isinstance(document, dict):
        raise UsageError("The settings are not a JSON object; send one such as {“limit_per_second”: 10}.", code="not_an_object")
    check_names(document)
    return {name: _READERS[name](name, value) for name, value in document.items()}


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


Reader = Callable[[str, object], object]
"""Reads a setting by its name and its value."""


def _or_none(read: Reader) -> Reader:
    return lambda name, value: None if value is None else read(name, value)


def _wrong(name: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"The setting “{name}” can't be {value!r}; give {wanted}.", code="bad_value", setting=name)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, value, "a number")
    return value


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, value, "a whole number")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "a text")
    return value


def _texts(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise _wrong(name, value, "a list of texts")
    return frozenset(_text(name, item) for item in value)


def _wholes(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise _wrong(name, value, "a list of whole numbers")
    return tuple(_whole(name, item) for item in value)


def _shares(name: str, value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object of numbers by name")
    return {key: _number(name, item) for key, item in value.items()}


def _latency(name: str, value: object) -> Latency:
    match value:
        case [low, high]:
            return Latency(low_seconds=_number(name, low), high_seconds=_number(name, high))
        case _:
            seconds = _number(name, value)
            return Latency(low_seconds=seconds, high_seconds=seconds)


def _storms(name: str, value: object) -> tuple[Storm, ...]:
    known = _STORM_READERS.keys()
    if not isinstance(value, list) or not all(isinstance(item, dict) and {"seconds"} <= item.keys() <= known for item in value):
        raise _wrong(name, value, f"a list of objects with “seconds”, and of {', '.join(known)} what is wanted")
    return tuple(_storm(item) for item in value)


def _storm(item: Mapping[str, object]) -> Storm:
    known: dict[str, Any] = {name: _STORM_READERS[name](f"storms.{name}", value) for name, value in item.items()}
    return Storm(**known)


_BY_TYPE: Final[dict[Any, Reader]] = {
    bool: _flag,
    int: _whole,
    int | None: _or_none(_whole),
    float: _number,
    str: _text,
    str | None: _or_none(_text),
    frozenset[str]: _texts,
    frozenset[str] | None: _or_none(_texts),
    tuple[int, ...]: _wholes,
    Mapping[str, float]: _shares,
    Mapping[Fault, float]: _shares,
    Latency: _latency,
    tuple[Storm, ...]: _storms,
}
_STORM_READERS: Final = {name: _BY_TYPE[kind] for name, kind in get_type_hints(Storm).items()}
_READERS: Final = {name: _BY_TYPE[kind] for name, kind in get_type_hints(SimulatorConfig).items() if name in CHANGEABLE}
