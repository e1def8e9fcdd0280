"""Reads files that have to be unpacked in a child process, whose memory and time the operating system limits.

The sizes that such a file declares may be untrue, and no library is proof against every false one. In a child process the worst result is
that the process ends. The child writes the rows as an Arrow stream to stdout, after a schema whose metadata is the head. If it refuses the
file, it writes JSON to stderr and exits with code 3.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from campaign.domain.errors import InputError
from campaign.loader import limits
from campaign.loader.formats.file_format import FORMATS, Format, Head, List
from campaign.loader.formats.frames import schema_of

_REFUSED: Final = 3
_WAIT_SECONDS: Final = 10.0
_TOKENS: Final = ("PASSENTRY_API_KEY", "PASSENTRY_API_KEY_FILE")
_META: Final = b"campaign"


def read_apart(found: Format, path: Path, header_row: int | None = None) -> List:
    """Return a list that a child process reads. Raises InputError, also while the rows are read."""
    rows = _stream([found.module, str(path), str(header_row or ""), str(limits.CHILD_BYTES), str(limits.CHILD_SECONDS)])
    return next(rows), rows


def _stream(words: list[str]) -> Iterator[Any]:
    """Yield the head of a file, then its batches."""
    # The child reads untrusted files and needs no token.
    env = {name: value for name, value in os.environ.items() if name not in _TOKENS}
    # A separate process group: Ctrl-C reaches only this process, which then ends the child.
    group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    command = [sys.executable, "-P", "-m", "campaign.loader.formats.child", *words]
    whole = False
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=env, **group) as process,  # noqa: S603 - our own words
    ):
        try:
            # The stream breaks off when the process dies.
            with suppress(pa.ArrowInvalid, OSError):
                reader = pa.ipc.open_stream(process.stdout)
                head: dict[str, Any] = json.loads(reader.schema.metadata[_META])
                yield Head(**head | {name: tuple(value) for name, value in head.items() if isinstance(value, list)})
                yield from reader
                whole = True
            with suppress(subprocess.TimeoutExpired):
                process.wait(_WAIT_SECONDS)
        finally:
            process.kill()
        if process.wait() or not whole:
            raise _refusal(process.returncode, errors)


def _refusal(code: int, errors: IO[bytes]) -> InputError:
    # Libraries may have written to stderr before, so only the last line counts.
    with suppress(ValueError, IndexError):
        if code == _REFUSED and errors.seek(0) == 0:
            return InputError(**json.loads(errors.read().splitlines()[-1]))
    problem = (
        "The file can't be read: it needs more memory or time than a list may take, or is damaged. Delete what is around the list in it, "
        "and save it again; or save it as CSV UTF-8."
    )
    return InputError(problem, code="too_much_to_unpack")


def restrict(most_bytes: int, seconds: int) -> None:
    """Limit the memory and processor time of this process; the system ends it, and no other process, if it needs more."""
    with suppress(ImportError):
        import resource  # noqa: PLC0415 - Windows has none

        for kind, most in ((resource.RLIMIT_AS, most_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(kind)[1]
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    # If the machine itself runs out of memory, the system ends this process first.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


class _WithoutPandas:
    """Hides pandas: Arrow would import it at the first text, which takes longer than reading most lists."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def main(words: Sequence[str]) -> None:
    """Read a file and write its rows to stdout; the words are those of `read_apart`."""
    found, path, header_row, most_bytes, seconds = words
    sys.meta_path.insert(0, _WithoutPandas())
    restrict(int(most_bytes), int(seconds))
    try:
        head, rows = FORMATS[found].read(Path(path), int(header_row) if header_row else None)
        schema = schema_of(head.columns, {_META: json.dumps(asdict(head)).encode()})
        with pa.ipc.new_stream(sys.stdout.buffer, schema) as stream:
            for batch in limited(rows):
                stream.write_batch(batch)
        sys.stdout.flush()
    except InputError as error:
        sys.stderr.write(f"\n{json.dumps(error.said())}\n")
        sys.exit(_REFUSED)
    except BrokenPipeError:
        # The parent process needs no more rows.
        pass
    # The libraries' own clean-up takes longer than reading a list.
    os._exit(0)


def limited(rows: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows. Raises InputError if their text is too much, whatever the file declares."""
    left = limits.UNPACKED_BYTES
    for batch in rows:
        left -= sum(pc.sum(pc.binary_length(texts)).as_py() or 0 for texts in batch.columns[:-1])
        if left < 0:
            problem = f"The list unpacks to more than {limits.UNPACKED_BYTES:,} bytes of text. Split it, or leave out columns."
            raise InputError(problem, code="too_much_to_unpack")
        yield batch


if __name__ == "__main__":
    main(sys.argv[1:])
