"""Runs the simulator's server, inside a program (`Simulator`) or as a program (`serve`)."""

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self

import orjson
from aiohttp import web

from campaign.domain.errors import UsageError
from campaign.simulator.api.handlers import ROOT, Api, ControlApi
from campaign.simulator.config import SimulatorConfig
from campaign.simulator.passes import PassChange
from campaign.simulator.records import AuditFile, BatchRecord, LoggedRequest, Notification, Summary
from campaign.simulator.state import Clock, State

_BACKLOG: Final = 1024
_HEAD_BYTES: Final = 1 << 16
_GRACE_SECONDS: Final = 0.5
_ANSWER_FIRST_SECONDS: Final = 0.05
_TURNS_TO_CONNECT: Final = 5


class Simulator:
    """PassEntry on loopback, for the length of an `async with` block.

    Raises:
        UsageError: on entry, if the port is taken or the audit file can't be written.
    """

    def __init__(self, config: SimulatorConfig | None = None, *, clock: Clock | None = None) -> None:
        self._config = config or SimulatorConfig()
        self._clock = clock or Clock()
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._outage_task: asyncio.Task[None] | None = None
        self._state: State
        self._server: web.Server
        self._runner: web.ServerRunner
        self._site: web.SockSite
        self._listener: socket.socket
        self._port = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            audit_file = None
            if self._config.audit_file is not None:
                audit_file = AuditFile(self._config.audit_file)
                stack.callback(audit_file.close)
            self._state = State(self._config, clock=self._clock, audit_file=audit_file)
            listener = bound_socket(self._config.host, self._config.port)
            stack.callback(listener.close)
            self._port = listener.getsockname()[1]
            await self._start(stack, listener)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        return self._url(self._config.host)

    def audit(self) -> list[Notification]:
        """Every processed notification, in the order of processing."""
        return list(self._state.records.notifications.entries())

    def requests(self) -> list[LoggedRequest]:
        """Every request that arrived, in the order of arrival."""
        return list(self._state.records.requests.entries())

    def batches(self) -> list[BatchRecord]:
        """Every batch, in the order of creation."""
        return list(self._state.batches.records())

    def summary(self) -> Summary:
        return self._state.summary()

    def configure(self, **changes: Any) -> None:
        """Change any fields of `SimulatorConfig` except `config.FIXED`; the times of changed storms count from now.

        Raises:
            UsageError: there is no such field, or a value is invalid; nothing was changed.
        """
        self._state.configure(changes)

    def set_pass(self, pass_id: str, change: PassChange) -> None:
        """Change a pass as if someone else wrote to it."""
        self._state.passes.change(pass_id, change)

    def reset(self, *, passes: bool = False) -> None:
        """Clear audit, requests and figures; with `passes` also all batches, and every pass with its messages and turns."""
        self._state.reset(passes=passes)

    async def outage(self, seconds: float) -> None:
        """Stop listening for this time: open connections end, new ones are refused. Requests that were read are still processed."""
        await self._accept_no_more()
        await self._site.stop()
        for connection in self._server.connections:
            connection.force_close()
        listener = await _bound_again(self._config.host, self._port)
        try:
            await asyncio.sleep(seconds)
            self._listener, self._site = listener, web.SockSite(self._runner, listener, backlog=_BACKLOG)
            await self._site.start()
        except BaseException:
            listener.close()
            raise

    async def _start(self, stack: AsyncExitStack, listener: socket.socket) -> None:
        api = Api(self._state, stopping=self._stopping, own_host=lambda: self.url, other_host=lambda: self._url("localhost"))
        control = ControlApi(self._state, outage=self._outage_soon)
        self._server = web.Server(
            _dispatcher(api, control),
            access_log=None,
            keepalive_timeout=self._config.keep_alive_seconds,
            max_line_size=_HEAD_BYTES,
            max_field_size=_HEAD_BYTES,
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=_GRACE_SECONDS)
        await self._runner.setup()
        stack.push_async_callback(self._runner.cleanup)
        stack.push_async_callback(self._accept_no_more)
        stack.callback(api.close)
        stack.callback(self._stopping.set)
        stack.push_async_callback(self._end_outage)
        self._listener, self._site = listener, web.SockSite(self._runner, listener, backlog=_BACKLOG)
        await self._site.start()

    async def _accept_no_more(self) -> None:
        """Stop accepting. A connection that asyncio accepts while it closes the server would stay open without an owner."""
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)

    def _outage_soon(self, seconds: float) -> None:
        if self._outage_task is not None and not self._outage_task.done():
            raise UsageError("There is an outage already; wait until it is over.", code="busy")
        self._outage_task = asyncio.get_running_loop().create_task(self._answer_then_outage(seconds))

    async def _answer_then_outage(self, seconds: float) -> None:
        await asyncio.sleep(_ANSWER_FIRST_SECONDS)
        await self.outage(seconds)

    async def _end_outage(self) -> None:
        """Cancel the outage. A task group is not possible: the task that enters it must leave it, which fixtures don't ensure."""
        if self._outage_task is not None:
            self._outage_task.cancel()
            await asyncio.gather(self._outage_task, return_exceptions=True)

    def _url(self, host: str) -> str:
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"


def _dispatcher(api: Api, control: ControlApi) -> Callable[[web.BaseRequest], Any]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await (control.handle(request) if request.raw_path.startswith(ROOT) else api.handle(request))

    return handle


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to the port but doesn't listen yet. Raises UsageError if the port is taken, or can't be bound."""
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        problem = "is taken by another program" if taken else f"can't be had ({error.strerror})"
        raise UsageError(f"Port {port} on {host} {problem}; give another one, or 0 for any free one.", code="port_taken") from error
    return listener


async def _bound_again(host: str, port: int) -> socket.socket:
    """Bind the port again at once, before another program takes it; the event loop may need a moment to release it."""
    for _ in range(50):
        try:
            return bound_socket(host, port)
        except UsageError:
            await asyncio.sleep(0.01)
    return bound_socket(host, port)


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(config: SimulatorConfig, *, json: bool) -> int:
    """Run until SIGINT or SIGTERM, the normal end, and return 0.

    It prints one line to stdout as soon as it listens: with `json` an object with `url`, otherwise a sentence.

    Raises:
        UsageError: the port is taken, or the audit file can't be written.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(config, json=json))


async def _serve(config: SimulatorConfig, *, json: bool) -> int:
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in _SIGNALS:
        loop.add_signal_handler(signal_number, told_to_end.set)
    async with Simulator(config) as simulator:
        ready = (
            orjson.dumps({"url": simulator.url}).decode() if json else f"PassEntry is simulated at {simulator.url}. Press Ctrl-C to end it."
        )
        sys.stdout.write(f"{ready}\n")
        sys.stdout.flush()
        await told_to_end.wait()
        summary = simulator.summary()
    sys.stderr.write(
        f"The simulator processed {summary.processed} notifications for {summary.distinct_passes} passes, "
        f"{summary.surplus} of them more than once, and answered {summary.throttled} requests with 429.\n"
    )
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - not available on Windows

    return uvloop.new_event_loop
