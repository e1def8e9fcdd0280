"""Starts `python -m MODULE` without importing: the process is forked off one that has imported everything.

To start Python and import the command takes ten times as long as most commands then need. A forked process is a process like any other: it
has its own memory, environment, streams and signals, and can be killed. What Python decides when it starts (its flags, `PYTHONPATH`, a
stream that is closed) only a real start shows: `subprocess.Popen`.
"""

import atexit
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import structlog
import typer

import campaign
from campaign.cli import main
from campaign.domain.schedule import known_zones
from campaign.settings import IsolatedSettings

ROOT: Final = Path(__file__).parents[1]
PYTHON: Final = sys.executable
"""Python itself; the tests of a console have another program in its place."""

CAN_FORK: Final = hasattr(os, "pidfd_open") and hasattr(socket, "SOCK_SEQPACKET")
"""Whether this machine can do it. Linux can; elsewhere every process is started."""

SHARED: Final = "PREFORK_SOCKET"
"""The variable with the socket of the process to fork from that all processes of the tests share."""

_READ_AT_START: Final = ("PYTHON", "LANG", "LC_")
"""Variables that Python itself reads begin so."""
_LONGEST_REQUEST: Final = 1 << 20
_NUMBER_BYTES: Final = 4
_LATE: Final = (
    *("aiohttp", "apprise", "fsspec.core", "pandas", "psycopg", "pyarrow.pandas_compat", "pyarrow.parquet", "python_calamine"),
    *("rich.live", "s3fs", "structlog", "typer._adapters", "typer.rich_utils", "uvloop", "xlsxwriter"),
)
"""Libraries that commands import when they need them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """`terminal`: its session has the terminal that is its standard input. `bound`: it is killed when who asked for it has ended."""

    module: str
    words: tuple[str, ...]
    folder: str
    environment: dict[str, str]
    terminal: bool = False
    before: str = ""
    bound: bool = False


Streams = tuple[int, int, int]
"""Descriptors of standard input, output and error."""


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    streams: Streams | None = None,
    terminal: bool = False,
    module: str = "campaign",
    before: str = "",
    early: str = "",
) -> subprocess.Popen[str]:
    """`python -m MODULE WORDS`, forked where that shows the same as a start.

    Args:
        words: what follows the module.
        cwd: its folder.
        env: its whole environment.
        streams: without them it reads nothing and has pipes.
        terminal: it has a session of its own, whose terminal is its standard input.
        module: what runs.
        before: Python that runs in the process before the module does.
        early: Python that runs before anything is imported. Each such text has a process of its own to fork from.
    """
    if CAN_FORK and all(_is_ours(name, value) for name, value in env.items() if name.startswith(_READ_AT_START)):
        return Preforked(words, cwd=cwd, env=env, streams=streams, terminal=terminal, module=module, before=before, early=early)
    given, out, err = streams or (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE)
    code = f"{early}\n{before}\nimport runpy\nrunpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return subprocess.Popen(
        [PYTHON, *(["-c", code] if before or early else ["-m", module]), *words],
        cwd=cwd,
        env=env,
        stdin=given,
        stdout=out,
        stderr=err,
        text=True,
        start_new_session=terminal,
        preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if terminal else None,  # noqa: PLW1509 - no thread has been started
    )


def _is_ours(name: str, value: str) -> bool:
    return value == (str(ROOT) if name == "PYTHONPATH" else os.environ.get(name))


class Preforked(subprocess.Popen[str]):
    """One that was forked; see `start`."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        streams: Streams | None,
        terminal: bool,
        module: str,
        before: str,
        early: str,
    ) -> None:
        # Nothing of the base's: it would start a program.
        self.args = [PYTHON, "-m", module, *words]
        self.returncode: int | None = None
        self.stdin = self.stdout = self.stderr = None
        self._readers: list[_Reader] = []
        self._lock = threading.Lock()
        mine: tuple[int, ...] = ()
        if streams is None:
            (out, to_out), (err, to_err) = os.pipe(), os.pipe()
            self.stdout, self.stderr = os.fdopen(out, encoding="utf-8"), os.fdopen(err, encoding="utf-8")
            mine = streams = os.open(os.devnull, os.O_RDONLY), to_out, to_err
        request = _Request(module=module, words=tuple(words), folder=str(cwd), environment=dict(env), terminal=terminal, before=before)
        try:
            self._parent = _ask(_parent(early), request, streams)
        finally:
            for number in mine:
                os.close(number)
        self.pid = _heard(self._parent)

    def poll(self) -> int | None:
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def _ended(self, seconds: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._parent], [], [], seconds)[0]:
                self.returncode = os.waitstatus_to_exitcode(_heard(self._parent))
                self._parent.close()
            return self.returncode

    def communicate(self, input: str | None = None, timeout: float | None = None) -> Any:  # noqa: A002 - as Popen calls it
        assert input is None
        deadline = None if timeout is None else time.monotonic() + timeout
        left = (lambda: None) if deadline is None else (lambda: max(0.0, deadline - time.monotonic()))
        self._readers = self._readers or [_Reader(stream) for stream in (self.stdout, self.stderr)]
        for reader in self._readers:
            reader.join(left())
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(left())
        return tuple(reader.text for reader in self._readers)

    def __del__(self) -> None:
        """Nothing of the base's, which would look for a child of this process. A test that failed closes nothing."""
        for name in ("_parent", "stdout", "stderr"):
            if (left := getattr(self, name, None)) is not None:
                left.close()


_CLIENT = """#!{python} -SEI
import _socket, json, os, signal, sys
words = [word for word in sys.argv[1:] if word != "-P"]
if words[:1] != ["-m"] or not words[1].startswith("campaign"):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
parent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
parent.connect({path!r})
request = dict(module=words[1], words=words[2:], folder=os.getcwd(), environment=dict(os.environ), bound=True)
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
parent.sendmsg([json.dumps(request).encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
os.close(0)
child = int.from_bytes(parent.recv(4), "little")
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = os.waitstatus_to_exitcode(int.from_bytes(parent.recv(4), "little"))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def executable() -> str:
    """A program to put in the place of Python's: it starts modules of `campaign` quickly, and everything else as Python does.

    What it has started is killed soon after it was killed itself.
    """
    return _program(_parent("")) if CAN_FORK else PYTHON


def _program(path: str) -> str:
    """It is beside the socket."""
    return str(Path(path).with_name("python"))


class _Reader(threading.Thread):
    """Reads a stream to its end, and closes it."""

    def __init__(self, stream: IO[str] | None) -> None:
        super().__init__(daemon=True)
        self.text: str | None = None
        self._stream = stream
        self.start()

    def run(self) -> None:
        if self._stream is not None and not self._stream.closed:
            with self._stream:
                self.text = self._stream.read()


def share() -> None:
    """Have the processes that this one starts fork from one parent, not from one each."""
    if CAN_FORK:
        os.environ[SHARED] = _parent("")


@cache
def _parent(early: str) -> str:
    """The socket of a process to fork from. It ends when whoever started it does, with all that was forked."""
    if not early and SHARED in os.environ:
        return os.environ[SHARED]
    folder = tempfile.TemporaryDirectory(prefix="prefork-")
    path = str(Path(folder.name, "s"))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    program = Path(_program(path))
    program.write_text(_CLIENT.format(python=PYTHON, path=path), encoding="utf-8")
    program.chmod(0o700)
    words = [PYTHON, "-c", f"{early}\nfrom tests.prefork import serve\nserve({listener.fileno()})"]
    # What is forked off would have none of the threads that a library starts when it is imported.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYDANTIC_DISABLE_PLUGINS": "__all__"}
    process = subprocess.Popen(
        words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True
    )
    listener.close()

    def end() -> None:
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return path


def _ask(path: str, request: _Request, streams: Sequence[int]) -> socket.socket:
    parent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent.connect(path)
    socket.send_fds(parent, [json.dumps(asdict(request)).encode()], streams)
    return parent


def _heard(parent: socket.socket) -> int:
    """Its process's number first, then how it ended."""
    said = parent.recv(_NUMBER_BYTES)
    if not said:
        raise ChildProcessError("the process to fork from has ended")
    return int.from_bytes(said, "little")


def serve(listening: int) -> None:
    """Fork for each request, until standard input ends."""
    for name in (*_LATE, *(module.name for module in pkgutil.walk_packages(campaign.__path__, "campaign."))):
        if not name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(name)
    # It imports its many services when it is given an address.
    importlib.import_module("apprise").Apprise.instantiate("json://localhost")
    _warm_up()
    gc.collect()
    gc.freeze()
    listener = socket.socket(fileno=listening)
    # What a command starts is forked, too.
    sys.executable = _program(listener.getsockname())
    forker = _Forker(listener)
    while True:
        forker.wait()


def _warm_up() -> None:
    """Do once what libraries then keep: which type is a kind of which, the schemas of options, compiled expressions."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        source = Path(folder, "list.csv")
        source.write_text("pass_id,name\na,Anna\n", encoding="utf-8")
        ledger = ("--ledger", str(Path(folder, "campaign.db")))
        for words in (("status", *ledger), ("check", str(source), "--message", "Hi {{ name }}", *ledger)):
            main.app(list(words), standalone_mode=False)
        commands: Any = typer.main.get_command(main.app)
        context = commands.make_context("campaign", [], resilient_parsing=True)
        for name in commands.list_commands(context):
            commands.get_command(context, name).make_context(name, [], parent=context, resilient_parsing=True)
    IsolatedSettings.model_rebuild()
    known_zones()
    structlog.reset_defaults()


class _Forker:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._children: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ, self._end)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def wait(self) -> None:
        for key, _ in self._selector.select():
            key.data()

    def _accept(self) -> None:
        """Whoever connects may be stopped or killed before it asks: others don't wait for it."""
        asker, _ = self._listener.accept()
        self._selector.register(asker, selectors.EVENT_READ, partial(self._fork, asker))

    def _fork(self, asker: socket.socket) -> None:
        self._selector.unregister(asker)
        message, streams, _, _ = socket.recv_fds(asker, _LONGEST_REQUEST, 3)
        if not message:
            asker.close()
            return
        request = _Request(**json.loads(message))
        pid = os.fork()
        if pid == 0:
            for key in [*self._selector.get_map().values()]:
                os.close(key.fd)
            self._selector.close()
            asker.close()
            _become(request, streams)
        for stream in streams:
            os.close(stream)
        handle = os.pidfd_open(pid)
        self._children.add(pid)
        self._selector.register(handle, selectors.EVENT_READ, partial(self._reap, pid, handle, asker))
        if request.bound:
            self._selector.register(asker, selectors.EVENT_READ, partial(self._kill, pid))
        _tell(asker, pid)

    def _reap(self, pid: int, handle: int, asker: socket.socket) -> None:
        _tell(asker, os.waitpid(pid, 0)[1])
        self._children.remove(pid)
        with suppress(KeyError):
            self._selector.unregister(asker)
        asker.close()
        self._selector.unregister(handle)
        os.close(handle)

    def _kill(self, pid: int) -> None:
        """Whoever asked for it is gone. What it leaves is reaped as ever."""
        if pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _end(self) -> NoReturn:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)


def _tell(asked_by: socket.socket, number: int) -> None:
    with suppress(OSError):
        asked_by.send(number.to_bytes(_NUMBER_BYTES, "little"))


def _become(request: _Request, streams: Sequence[int]) -> NoReturn:
    """Run the module as if Python had just started it, and end."""
    if request.terminal:
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.stdin, sys.stdout = (open(number, way, encoding="utf-8", closefd=False) for number, way in ((0, "r"), (1, "w")))  # noqa: SIM115 - for good
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - for good
    sys.path[0] = request.folder
    sys.argv = [request.module, *request.words]
    sys.modules.pop(request.module, None)
    code: object = None
    try:
        exec(request.before, {})  # noqa: S102 - what the test wants done in this process
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as Python does
        traceback.print_exc()
        code = 1
    if not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # To take everything down that was imported would touch, and so copy, all of its memory.
    os._exit(code or 0)
