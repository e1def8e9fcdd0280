"""The file of a campaign that is moved: gzipped JSON lines between a header and a checksum.

Lines stream, whatever the size, need no SQL of strangers, and are the same for every ledger backend.
"""

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import orjson

from campaign.app.controls import checked_settings
from campaign.atomic import Draft, writing
from campaign.domain.errors import InputError, UsageError
from campaign.domain.model import Outcome, StagedRow, Status
from campaign.domain.schedule import known_zones
from campaign.ledger.port import CampaignRecord, CampaignSpec, Control, LedgerReader, RunnerRecord
from campaign.ledger.upkeep import HandedOver, MovedAttempt, MovedRow
from campaign.ledger.waiting import Wait, Why
from campaign.loader.columns import check_pass_id, pass_key

T = TypeVar("T", CampaignRecord, RunnerRecord, MovedAttempt, Outcome)

FORMAT: Final = "campaign-export"
VERSION: Final = 1
TOGETHER: Final = 2000
LONGEST_LINE: Final = 64 << 20
"""Far above any row, which a list's limits hold far below it: a hostile file takes no more memory than this."""

LATEST_SECONDS: Final = 7_258_118_400
"""The year 2200: a time beyond, or before 1970, could not be shown, and neither could any list of campaigns that it stands in."""

_DAMAGED: Final = "It is damaged, or not a campaign that was exported: {why}. Nothing was imported; copy the file again, or export anew."


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file begins with."""

    record: CampaignRecord
    before: HandedOver
    runners: tuple[RunnerRecord, ...]
    waits: tuple[Wait, ...]


@dataclass(slots=True)
class Batch:
    """Some of a file's lines."""

    rows: list[MovedRow] = field(default_factory=list)
    attempts: list[MovedAttempt] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)


def write(reader: LedgerReader, record: CampaignRecord, file: Path) -> None:
    """Write a campaign that was handed over, whole or not at all."""
    runners = [asdict(runner) for runner in reversed(reader.runners(record.id)) if runner.ended_at]
    header = {"format": FORMAT, "version": VERSION, "record": asdict(record), "before": asdict(reader.handed_over(record.id))}
    header["runners"] = runners
    header["waits"] = [(wait.since, wait.until, wait.why.value) for wait in reader.waits(record.id)]
    checksum = hashlib.sha256()
    with Draft(file) as draft, writing(file):
        with gzip.GzipFile(filename="", mode="wb", fileobj=draft.file, compresslevel=6, mtime=0) as packed:
            for line in _lines(header, reader, record.id):
                checksum.update(line)
                packed.write(line)
            packed.write(_line({"sha256": checksum.hexdigest()}))
        draft.seal()
        draft.replace()


def _lines(header: dict[str, Any], reader: LedgerReader, campaign: int) -> Iterator[bytes]:
    yield _line(header)
    for row in reader.moved_rows(campaign):
        yield _line({"row": astuple(row.staged), "tries": row.tries, "due": row.due_in_seconds, "quiet": row.quiet_seconds})
    for key in reader.exclusions(campaign):
        yield _line({"excluded": key})
    for attempt in reader.moved_attempts(campaign):
        yield _line({"attempt": astuple(attempt)})


def _line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def checked(file: Path) -> Header:
    """The file's header, once all of it was read and its checksum found right."""
    checksum = hashlib.sha256()
    with _unpacked(file) as packed:
        first = last = b""
        for line in _whole_lines(packed):
            if first:
                checksum.update(last)
            first, last = first or line, line
        header = _header(first)
        if orjson.loads(last or b"{}") != {"sha256": checksum.hexdigest()}:
            raise ValueError("its checksum is not that of what stands in it")
    return header


def batches(file: Path) -> Iterator[Batch]:
    """What stands in a file that was found right, some at a time."""
    with _unpacked(file) as packed:
        batch = Batch()
        for line in _whole_lines(packed):
            value = orjson.loads(line)
            if "row" in value:
                batch.rows.append(_row(value))
            elif "attempt" in value:
                batch.attempts.append(_timed(MovedAttempt(**_named(MovedAttempt, value["attempt"]))))
            elif "excluded" in value:
                batch.excluded.append(value["excluded"])
            if len(batch.rows) + len(batch.attempts) + len(batch.excluded) >= TOGETHER:
                yield batch
                batch = Batch()
        yield batch


@contextmanager
def _unpacked(file: Path) -> Iterator[BinaryIO]:
    try:
        with gzip.open(file, "rb") as packed:
            yield packed  # type: ignore[misc]  # a GzipFile reads bytes like any other file
    except FileNotFoundError:
        raise UsageError(f"There is no file {file}.", code="no_file") from None
    except (EOFError, ValueError, KeyError, TypeError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        if isinstance(error, gzip.BadGzipFile):
            why = "it is not packed as an exported campaign is"
        raise InputError(_DAMAGED.format(why=why), file=file, code="damaged_export") from error


def _whole_lines(packed: BinaryIO) -> Iterator[bytes]:
    while line := packed.readline(LONGEST_LINE):
        if not line.endswith(b"\n"):
            raise ValueError("a line has no end")
        yield line


def _header(line: bytes) -> Header:
    value = orjson.loads(line)
    if value.get("format") != FORMAT:
        raise ValueError("it does not begin as such a file does")
    if value["version"] != VERSION:
        raise ValueError(f"it is of version {value['version']}, and this Campaign knows version {VERSION} only")
    record, before = value["record"], value["before"]
    spec = record["spec"]
    spec = CampaignSpec(**spec | {"columns": tuple(spec["columns"]), "settings": checked_settings(spec["settings"])})
    return Header(
        record=_timed(CampaignRecord(**record | {"spec": spec, "control": Control(record["control"])})),
        before=HandedOver(**before | {"control": Control(before["control"])}),
        runners=tuple(_timed(RunnerRecord(**runner)) for runner in value["runners"]),
        # Who knows nothing of them reads over them, and older files have none: no reason for another version.
        waits=_waits(value.get("waits", [])),
    )


def _waits(given: list[tuple[float, float, str]]) -> tuple[Wait, ...]:
    """Of one kind, each begins at its own time and ends no earlier: a ledger takes no other."""
    if any(not 0 <= seconds <= LATEST_SECONDS for since, until, _ in given for seconds in (since, until)):
        raise ValueError("a time in it, of a wait, can't be")
    found = {(why, since): Wait(since=float(since), until=max(float(since), float(until)), why=Why(why)) for since, until, why in given}
    return tuple(found.values())


def _row(value: dict[str, Any]) -> MovedRow:
    number, pass_id, _key, message, cells, ended, zone = value["row"]
    outcome = _timed(Outcome(**_named(Outcome, ended)))
    outcome = replace(outcome, status=Status(outcome.status))
    if outcome.status is Status.SENDING or (outcome.status is Status.PENDING and check_pass_id(pass_id)[1]):
        raise ValueError(f"row {number} can't be {outcome.status.value}")
    if zone and zone not in known_zones():
        raise ValueError(f"row {number} has the time zone “{zone}”, which is none here")
    key = pass_key(pass_id)
    staged = StagedRow(row=number, pass_id=pass_id, pass_key=key, message=message, cells=tuple(cells), outcome=outcome, zone=zone)
    return MovedRow(staged=staged, tries=value["tries"], due_in_seconds=value["due"], quiet_seconds=value["quiet"])


def _timed(value: T) -> T:
    """The value, whose times can all be."""
    for name in value.__slots__:
        if name.endswith("_at") and not 0 <= getattr(value, name) <= LATEST_SECONDS:
            raise ValueError(f"a time in it, {name}, can't be")
    return value


def _named(kind: type, values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip([one.name for one in fields(kind)], values, strict=True))
