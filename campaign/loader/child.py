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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from campaign.domain.errors import InputError
from campaign.loader.frames import LINE, TEXT
from campaign.loader.source import Source
from campaign.loader.table import Head, Limits, List

TOO_MUCH: Final = (
    "The file can't be read: it needs more memory or time than a list may take, or is damaged. Delete what is around the list in it, and "
    "save it again; or save it as CSV UTF-8."
)
_REFUSED: Final = 3
_WAIT_SECONDS: Final = 10.0
_TOKENS: Final = ("PASSENTRY_API_KEY", "PASSENTRY_API_KEY_FILE")
_META: Final = b"campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the child process reads."""

    format: str
    path: str
    name: str
    limits: Limits
    header_row: int | None = None


Batches = tuple[Head, Iterator[pa.RecordBatch]]
"""What a format's module returns in the child process: the head and the rows."""


def read_apart(format_: str, source: Source, limits: Limits, header_row: int | None = None) -> List:
    """Return a list that a child process reads. Raises InputError, also while the rows are read."""
    rows = _stream(Order(format=format_, path=str(source.path), name=source.name, limits=limits, header_row=header_row))
    return next(rows), rows


def _stream(order: Order) -> Iterator[Any]:
    """Yield the head of a file, then its batches."""
    whole = False
    # The stream breaks off when the process dies; `_process` then raises the reason.
    with _process(order) as process, suppress(pa.ArrowInvalid, OSError):
        reader = pa.ipc.open_stream(process.stdout)
        yield Head(**_tuples(json.loads(reader.schema.metadata[_META])))
        yield from (batch for batch in reader if len(batch))
        whole = True
    if not whole:
        raise InputError(TOO_MUCH, code="too_much_to_unpack", file=order.name)


@contextmanager
def _process(order: Order) -> Iterator["subprocess.Popen[bytes]"]:
    """The running child process; it has ended when the block ends. Raises InputError if it refused the file or died."""
    # The child reads untrusted files and needs no token.
    env = {name: value for name, value in os.environ.items() if name not in _TOKENS}
    words = [sys.executable, "-P", "-m", "campaign.loader.child", json.dumps(asdict(order))]
    # A separate process group: Ctrl-C reaches only this process, which then ends the child.
    group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=env, **group)  # noqa: S603 - our own words
        with process:
            try:
                yield process
                code = process.wait(_WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            except BaseException:
                process.kill()
                raise
        if code:
            raise _refusal(code, errors, order)


def _refusal(code: int, errors: IO[bytes], order: Order) -> InputError:
    # Libraries may have written to stderr before, so only the last line counts.
    with suppress(ValueError, IndexError):
        if code == _REFUSED and errors.seek(0) == 0:
            return InputError(**json.loads(errors.read().splitlines()[-1]))
    return InputError(TOO_MUCH, code="too_much_to_unpack", file=order.name)


def _tuples(found: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


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


def main() -> None:
    """Read the file that the only argument describes, an `Order` as JSON."""
    sys.meta_path.insert(0, _WithoutPandas())
    given = json.loads(sys.argv[1])
    order = Order(**_tuples(given) | {"limits": Limits(**given["limits"])})
    restrict(order.limits.child_bytes, order.limits.child_seconds)
    try:
        head, rows = opened(order)
        schema = pa.schema([*((name, TEXT) for name in head.columns), (LINE, pa.int64())], {_META: json.dumps(asdict(head))})
        with pa.ipc.new_stream(sys.stdout.buffer, schema) as stream:
            for batch in rows:
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


def opened(order: Order) -> Batches:
    """Return the head and the rows of a file, read in this process."""
    if order.format == "parquet":
        from campaign.loader.parquet import batches as parquet_batches  # noqa: PLC0415 - the other's libraries are not needed

        return parquet_batches(order)
    from campaign.loader.excel import batches as excel_batches  # noqa: PLC0415 - (same)

    return excel_batches(order)


if __name__ == "__main__":
    main()
