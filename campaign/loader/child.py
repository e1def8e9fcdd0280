"""Files that have to be unpacked are read in a process of their own, with a limit of memory and time that the system holds it to.

What such a file says of its sizes may be untrue, and no library that reads it is proof against every lie: here the worst that one can do
is to end this process. The rows come as an Arrow stream on stdout, after a schema whose metadata is the head; a refusal comes as JSON on
stderr, with exit code 3.
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
    """What the process reads."""

    format: str
    path: str
    name: str
    limits: Limits
    header_row: int | None = None


Batches = tuple[Head, Iterator[pa.RecordBatch]]
"""What a format's module gives in the process: the head, then the rows."""


def read_apart(format_: str, source: Source, limits: Limits, header_row: int | None = None) -> List:
    """A list that a process of its own reads; raises InputError, also while its rows are read."""
    rows = _stream(Order(format=format_, path=str(source.path), name=source.name, limits=limits, header_row=header_row))
    return next(rows), rows


def _stream(order: Order) -> Iterator[Any]:
    """The head of a file, then its batches."""
    whole = False
    # What ends amid what it says is the process, of which `_process` says why.
    with _process(order) as process, suppress(pa.ArrowInvalid, OSError):
        reader = pa.ipc.open_stream(process.stdout)
        yield Head(**_tuples(json.loads(reader.schema.metadata[_META])))
        yield from (batch for batch in reader if len(batch))
        whole = True
    if not whole:
        raise InputError(TOO_MUCH, code="too_much_to_unpack", file=order.name)


@contextmanager
def _process(order: Order) -> Iterator["subprocess.Popen[bytes]"]:
    """The process at work; it has ended afterwards. Raises InputError if it has refused the file, or died over it."""
    # It reads what strangers gave, and needs no token.
    env = {name: value for name, value in os.environ.items() if name not in _TOKENS}
    words = [sys.executable, "-P", "-m", "campaign.loader.child", json.dumps(asdict(order))]
    # In a group of its own, so that Ctrl-C reaches this process alone, which then ends that one.
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
    # A library may have said something before.
    with suppress(ValueError, IndexError):
        if code == _REFUSED and errors.seek(0) == 0:
            return InputError(**json.loads(errors.read().splitlines()[-1]))
    return InputError(TOO_MUCH, code="too_much_to_unpack", file=order.name)


def _tuples(found: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def restrict(most_bytes: int, seconds: int) -> None:
    """Hold this process to so much memory and processor time; the system ends it, and no other, if it needs more."""
    with suppress(ImportError):
        import resource  # noqa: PLC0415 - Windows has none

        for kind, most in ((resource.RLIMIT_AS, most_bytes), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
            hard = resource.getrlimit(kind)[1]
            with suppress(ValueError, OSError):
                resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    # Where the machine itself runs out of memory, this process goes first.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


class _WithoutPandas:
    """Arrow would import it at the first text, which takes longer than most lists do."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def main() -> None:
    """Read what the only argument says."""
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
        # Nobody wants the rest.
        pass
    # What the libraries would still tidy up takes longer than a list.
    os._exit(0)


def opened(order: Order) -> Batches:
    """The head and the rows of a file, in this process."""
    if order.format == "parquet":
        from campaign.loader.parquet import batches as parquet_batches  # noqa: PLC0415 - the other's libraries are not needed

        return parquet_batches(order)
    from campaign.loader.excel import batches as excel_batches  # noqa: PLC0415 - (same)

    return excel_batches(order)


if __name__ == "__main__":
    main()
