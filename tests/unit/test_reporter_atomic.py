"""Files that are written whole: under kills at every line, on a full disk, on one that can't be written."""

import errno
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from campaign import atomic
from campaign.atomic import LEFT_BEHIND_SECONDS, AtomicFile, writing
from campaign.domain.errors import CampaignError, DiskFullError, UsageError
from campaign.domain.model import ResultRow
from campaign.reporter.files import results
from campaign.reporter.files.results import write_results
from campaign.reporter.files.target import failed_path
from tests.errors import raises
from tests.examples import slow_after
from tests.unit.reporter_given import FAILED, by_column, names, row


def written(path: Path, text: bytes) -> None:
    with AtomicFile(path) as draft:
        draft.file.write(text)
        draft.sync()
        draft.commit()


def test_nothing_is_seen_before_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    with AtomicFile(path) as draft:
        draft.file.write(b"new")
        draft.sync()
        assert path.read_bytes() == b"old"
        (beside,) = names(tmp_path) - {"a.csv"}
        assert beside.startswith(".")
        assert (tmp_path / beside).stat().st_mode & 0o777 == 0o600
        draft.commit()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == {"a.csv"}


def test_what_is_not_replaced_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    with suppress(KeyboardInterrupt), AtomicFile(path) as draft:
        draft.file.write(b"new")
        draft.temp_path.mkdir()
        (draft.temp_path / "part").write_bytes(b"part")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"a.csv"}


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / f"{'ü' * 125}x.csv"
    written(path, b"new")
    assert path.read_bytes() == b"new"


def test_what_killed_processes_left_is_swept_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    old, young, other = AtomicFile(tmp_path / "a.csv"), AtomicFile(tmp_path / "a.csv"), AtomicFile(tmp_path / "b.csv")
    for draft in (old, young, other):
        draft.temp_path.mkdir()
        draft.file.close()
    long_ago = time.time() - LEFT_BEHIND_SECONDS - 60
    for left in (old, other):
        os.utime(left.temp_path.with_suffix(""), (long_ago, long_ago))
    written(tmp_path / "a.csv", b"new")
    kept = {draft.temp_path.name.removesuffix(".parts") for draft in (young, other)}
    assert names(tmp_path) == {"a.csv"} | kept | {f"{name}.parts" for name in kept}


@pytest.mark.parametrize(
    ("number", "expected", "code"),
    [
        (errno.ENOSPC, DiskFullError, "disk_full"),
        (errno.EDQUOT, DiskFullError, "disk_full"),
        (errno.EFBIG, DiskFullError, "disk_full"),
        (errno.EACCES, UsageError, "file_not_writable"),
        (errno.EROFS, UsageError, "file_not_writable"),
        (errno.ENOENT, UsageError, "no_folder"),
        (errno.ENAMETOOLONG, UsageError, "file_not_writable"),
        (errno.EIO, UsageError, "file_not_writable"),
    ],
)
def test_what_the_system_refuses_is_an_error_for_a_person(number: int, expected: type[CampaignError], code: str) -> None:
    with raises(expected, code, file=Path("out/a.csv")), writing(Path("out/a.csv")):
        raise OSError(number, os.strerror(number))


def test_a_kill_at_any_line_leaves_whole_files(tmp_path: Path) -> None:
    outcome = subprocess.run([sys.executable, __file__, "kill", str(tmp_path)], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    kills, old, new = map(int, outcome.stdout.split())
    assert kills > 100
    assert old + new == kills
    assert min(old, new) > 0


# At 12,000 kB what Excel's writer puts aside still fits, and the workbook does not.
@pytest.mark.parametrize(
    ("suffix", "kilobytes"),
    slow_after(
        2,
        [(".csv", 20), (".xlsx", 12_000), *((suffix, 2600) for suffix in (".csv", ".parquet", ".jsonl", ".xlsx")), (".xlsx", 20)],
        unpack=True,
    ),
)
def test_a_full_disk_is_said_and_leaves_the_old_files(suffix: str, kilobytes: int, tmp_path: Path) -> None:
    assert on_a_disk_of(kilobytes, "full", suffix, tmp_path) == "DiskFullError 0 old"


def test_a_disk_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    assert on_a_disk_of(1000, "read-only", ".csv", tmp_path) == "UsageError 0 old"


def on_a_disk_of(kilobytes: int, scenario: str, suffix: str, place: Path) -> str:
    """What the scenario says on a real file system of that size, mounted for one process alone; skipped where no one may do that."""
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size={kilobytes}k none {place}"
    if unshare is None or subprocess.run([unshare, "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace with a file system of its own is allowed here")
    command = f'{mount} && exec "$0" -X dev "$@"'
    arguments = [unshare, "-rm", "sh", "-c", command, sys.executable, __file__, scenario, str(place), suffix]
    outcome = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert outcome.stderr == ""
    assert outcome.returncode == 0
    return outcome.stdout.strip()


def fill_the_disk(folder: Path, suffix: str) -> str:
    """Results that don't fit, over old ones; returns the error, how many drafts are left, and what stands in the old file."""
    path = folder / f"promo{suffix}"
    path.write_text("old")
    rows = (row(number, FAILED, cells=(os.urandom(150).hex(), "")) for number in range(1, 8_001))
    return attempt(path, rows)


def refuse_the_disk(folder: Path, suffix: str) -> str:
    path = folder / f"promo{suffix}"
    path.write_text("old")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    return attempt(path, iter([row(1)]))


def attempt(path: Path, rows: Iterator[ResultRow]) -> str:
    said = "nothing"
    try:
        write_results(path, campaign="promo", columns=("pass_id", "name"), parts=by_column(rows), failed=failed_path(path))
    except CampaignError as error:
        said = type(error).__name__
    return f"{said} {len(names(path.parent)) - 1} {path.read_text()}"


def kill_at_every_line(folder: Path) -> str:
    """Write new results over old ones, killed at the first line, then at the second, until it comes through; returns the counts."""
    path = folder / "promo.csv"
    content: dict[str, list[bytes]] = {}
    for name, count in (("old", 3), ("new", 5)):
        attempt(path, iter([row(number, FAILED) for number in range(1, count + 1)]))
        content[name] = [path.read_bytes(), failed_path(path).read_bytes()]
    kills, found = 0, {"old": 0, "new": 0}
    while True:
        path.write_bytes(content["old"][0])
        failed_path(path).write_bytes(content["old"][1])
        child = os.fork()
        if not child:
            attempt_until_line(kills + 1, path)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return f"{kills} {found['old']} {found['new']}"
        kills += 1
        what = "new" if path.read_bytes() == content["new"][0] else "old"
        assert path.read_bytes() == content[what][0]
        assert failed_path(path).read_bytes() in {content["old"][1], content["new"][1]}
        # The failed rows are never older than the results.
        assert what == "old" or failed_path(path).read_bytes() == content["new"][1]
        found[what] += 1
        visible = {name for name in names(folder) if not name.startswith(".")}
        assert visible == {path.name, failed_path(path).name}
        for name in names(folder) - visible:
            (folder / name).unlink()


def attempt_until_line(last: int, path: Path) -> None:
    """In a child process: end it, as a kill would, when that many lines of the writing code have been reached."""
    files = {atomic.__file__, results.__file__}
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in files:
            return None
        seen += event == "line"
        if seen == last:
            os._exit(9)
        return trace

    try:
        sys.settrace(trace)
        attempt(path, iter([row(number, FAILED) for number in range(1, 6)]))
        sys.settrace(None)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child process must not go on as a second parent
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["kill", place]:
            print(kill_at_every_line(Path(place)))  # noqa: T201 - it is a command here
        case ["full", place, suffix]:
            print(fill_the_disk(Path(place), suffix))  # noqa: T201 - (same)
        case ["read-only", place, suffix]:
            print(refuse_the_disk(Path(place), suffix))  # noqa: T201 - (same)
        case _:
            raise SystemExit("kill FOLDER | full FOLDER SUFFIX | read-only FOLDER SUFFIX")
