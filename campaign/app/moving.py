"""A whole campaign as one file, out of one ledger and into another: gzipped JSON lines between a header and a checksum.

Lines stream, whatever the size, need no SQL of strangers, and are the same for every ledger backend.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from campaign.app.controls import home_zone
from campaign.app.keeping import check_here
from campaign.app.lists import as_file_name
from campaign.app.sending import find
from campaign.domain.errors import InputError, UsageError
from campaign.domain.model import Outcome, StagedRow, Status
from campaign.domain.schedule import known_zones
from campaign.ledger.port import CampaignRecord, CampaignSpec, Control, LedgerReader, RunnerRecord
from campaign.ledger.sqlite import SqliteLedger, SqliteReader
from campaign.ledger.upkeep import HandedOver, MovedAttempt, MovedRow
from campaign.loader.columns import check_pass_id, pass_key
from campaign.reporter.atomic import Draft, writing
from campaign.settings import Settings

FORMAT: Final = "campaign-export"
VERSION: Final = 1
TOGETHER: Final = 2000
LONGEST_LINE: Final = 64 << 20
"""Far above any row, which a list's limits hold far below it: a hostile file takes no more memory than this."""

_DAMAGED: Final = "It is damaged, or not a campaign that was exported: {why}. Nothing was imported; copy the file again, or export anew."


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file begins with."""

    record: CampaignRecord
    before: HandedOver
    runners: tuple[RunnerRecord, ...]


@dataclass(slots=True)
class Batch:
    """Some of a file's lines."""

    rows: list[MovedRow] = field(default_factory=list)
    attempts: list[MovedAttempt] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)


async def export(name: str, file: Path, settings: Settings) -> CampaignRecord:
    """Hand a campaign over, and write it to a file. From then on nothing of it is sent from this ledger; again, it writes the same.

    Raises:
        UsageError: the file is there already or can't be written, or the campaign is being worked on: it is this ledger's as before.
        DiskFullError: (same)
    """
    file = _absolute(file, new=True)
    ledger, reader = SqliteLedger(settings.ledger_path), SqliteReader(settings.ledger_path)
    try:
        record = find(reader, name)
        if record.forgotten_at:
            check_here(record)
        await ledger.bury(quiet_seconds=settings.quiet_period)
        first = await ledger.hand_over(record.id, str(file))
        try:
            await asyncio.to_thread(_write, reader, _with_its_zone(record, settings), file)
        except BaseException:
            if first:
                await asyncio.shield(ledger.take_back(record.id))
            raise
        return record
    finally:
        await ledger.close()
        reader.close()


async def take_in(file: Path, settings: Settings) -> CampaignRecord:
    """Make a campaign of a file this ledger's; nothing is sent by that.

    Raises:
        InputError: the file is damaged, or of another version.
        UsageError: there is a campaign of its name.
    """
    file = _absolute(file, new=False)
    header = await asyncio.to_thread(_checked, file)
    name = settings.name or header.record.spec.name
    results = file.with_name(f"{as_file_name(name)}.results.csv")
    spec = replace(header.record.spec, name=name, settings=header.record.spec.settings | {"results": str(results)})
    ledger, reader = SqliteLedger(settings.ledger_path), SqliteReader(settings.ledger_path)
    try:
        half = reader.campaign(name)
        if half is not None and half.control is Control.STAGING:
            await ledger.discard(half.id)
        _check_not_here(reader, header.record)
        made = await ledger.create(spec)
        try:
            await ledger.take_in_runners(made.id, header.runners)
            batches = _batches(file)
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                await ledger.take_in(made.id, batch.rows, batch.attempts)
                await ledger.exclude(made.id, batch.excluded)
            await ledger.finish_taking_in(made.id, header.record, header.before)
        except BaseException:
            await asyncio.shield(ledger.discard(made.id))
            raise
        return find(reader, name)
    finally:
        await ledger.close()
        reader.close()


def _absolute(file: Path, *, new: bool) -> Path:
    if new and file.exists():
        raise UsageError(f"{file} is there already. Give --output another name.")
    return file.absolute()


def _check_not_here(reader: LedgerReader, record: CampaignRecord) -> None:
    for other in reader.campaigns():
        # When it was made goes with a campaign wherever it goes; only one that was handed over may come back.
        same = (other.created_at, other.spec.list_sha256) == (record.created_at, record.spec.list_sha256)
        if same and not other.exported_at and not other.forgotten_at:
            raise UsageError(f"This campaign is in the ledger already, as “{other.spec.name}”; from two, people would be told twice.")


def _with_its_zone(record: CampaignRecord, settings: Settings) -> CampaignRecord:
    """The campaign with the zone that its hours are of: where it goes, the machine's may be another."""
    kept = record.spec.settings
    if kept.get("time_zone") or not any(kept.get(name) for name in ("window", "start_at", "not_after")):
        return record
    return replace(record, spec=replace(record.spec, settings=kept | {"time_zone": home_zone(settings).key}))


def _write(reader: LedgerReader, record: CampaignRecord, file: Path) -> None:
    runners = [asdict(runner) for runner in reversed(reader.runners(record.id)) if runner.ended_at]
    header = {"format": FORMAT, "version": VERSION, "record": asdict(record), "before": asdict(reader.handed_over(record.id))}
    header["runners"] = runners
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


def _checked(file: Path) -> Header:
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


def _batches(file: Path) -> Iterator[Batch]:
    with _unpacked(file) as packed:
        batch = Batch()
        for line in _whole_lines(packed):
            value = orjson.loads(line)
            if "row" in value:
                batch.rows.append(_row(value))
            elif "attempt" in value:
                batch.attempts.append(MovedAttempt(**_named(MovedAttempt, value["attempt"])))
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
        raise UsageError(f"There is no file {file}.") from None
    except (EOFError, ValueError, KeyError, TypeError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise InputError(_DAMAGED.format(why=why), file=file) from error


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
    spec = CampaignSpec(**record["spec"] | {"columns": tuple(record["spec"]["columns"])})
    return Header(
        record=CampaignRecord(**record | {"spec": spec, "control": Control(record["control"])}),
        before=HandedOver(**before | {"control": Control(before["control"])}),
        runners=tuple(RunnerRecord(**runner) for runner in value["runners"]),
    )


def _row(value: dict[str, Any]) -> MovedRow:
    number, pass_id, _key, message, cells, ended, zone = value["row"]
    outcome = Outcome(**_named(Outcome, ended))
    outcome = replace(outcome, status=Status(outcome.status))
    if outcome.status is Status.SENDING or (outcome.status is Status.PENDING and check_pass_id(pass_id)[1]):
        raise ValueError(f"row {number} can't be {outcome.status.value}")
    if zone and zone not in known_zones():
        raise ValueError(f"row {number} has the time zone “{zone}”, which is none here")
    key = pass_key(pass_id)
    staged = StagedRow(row=number, pass_id=pass_id, pass_key=key, message=message, cells=tuple(cells), outcome=outcome, zone=zone)
    return MovedRow(staged=staged, tries=value["tries"], due_in_seconds=value["due"], quiet_seconds=value["quiet"])


def _named(kind: type, values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip([one.name for one in fields(kind)], values, strict=True))
