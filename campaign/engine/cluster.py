"""Ray: an existing cluster, or one on this machine alone for the life of the command; and workers, which are Ray actors.

Actors die with the command that made them. They have names, so that the same command given twice does not make more of them. Ray replaces
a lost process (`max_restarts`), but never repeats its work (`max_task_retries=0`): only the ledger knows what may be repeated.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from campaign.domain.errors import UsageError
from campaign.engine.protocol import Broken, LostError, Order, WorkerHandle, check_settings
from campaign.engine.worker import Worker
from campaign.sender.stop import End
from campaign.settings import Settings

AUTO: Final = "auto"
"""Means the cluster that this machine belongs to."""

REACHING_SECONDS: Final = 5.0

_WRITE: Final = "write the address of the cluster itself, such as 10.0.0.1:6379, or auto on a machine of it"


def check_address(address: str) -> None:
    """Check that something listens at the address; raises UsageError if the address is not valid, or nothing listens there."""
    if address == AUTO:
        return
    host, _, port = address.removeprefix("[").replace("]:", ":").rpartition(":")
    # This also refuses other words that Ray understands: with “local” it would start a cluster that is open to others.
    if not host or "/" in host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise UsageError(
            f"--address: “{address}” is not the address of a Ray cluster; {_WRITE}. ray:// addresses don't work here.",
            code="bad_value",
            option="--address",
        )
    try:
        socket.create_connection((host, int(port)), timeout=REACHING_SECONDS).close()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"There is no cluster of Ray at {address}: {why}. Nothing was sent. Check that its first node runs, and its port (ray start "
            "--port, 6379 without it).",
            code="no_cluster",
            option="--address",
        ) from error


NAMESPACE: Final = "campaign"
STARTS_SECONDS: Final = 30.0
"""How long a process may take to start. Less than GOOD_LIFE_SECONDS, as a process that starts has done nothing yet."""
OBJECT_STORE_BYTES: Final = 80 * 1024 * 1024
"""The minimum of Ray. Nothing is stored there."""

_SECRETS: Final = ("PASSENTRY_API_KEY", "CAMPAIGN_LEDGER", "CAMPAIGN_NOTIFY", "CAMPAIGN_PROXY")
"""Environment variables that hold secrets, in upper or lower case."""
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Otherwise Ray reports on its processes on standard output, where the results go.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    # The command handles signals itself.
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
}
_ALONE: Final = {
    "RAY_AUTH_MODE": "token",
    # Otherwise Ray takes the machine's public address, and listens on all interfaces, even if its settings say otherwise.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
_SHORT: Final = "/tmp"  # noqa: S108 - a private folder is made in it; the path of a socket may have only about a hundred characters


@contextmanager
def connected(settings: Settings) -> Iterator["RayCluster"]:
    """A cluster for workers. Enter it before the event loop, as its processes end with the thread that starts them.

    Raises:
        UsageError: Ray is not installed, can't be reached, or may not be used with these settings.
    """
    check_settings(settings)
    if find_spec("ray") is None:
        raise UsageError(
            "Ray is not installed. Install it: pip install 'campaign[ray]'. Or leave --engine out.", code="extra_missing", extra="ray"
        )
    if settings.address is not None:
        check_address(settings.address)
    # Ray reads these variables on import. A cluster of this machine alone gets a token that nobody else knows.
    os.environ.update(_QUIET if settings.address is not None else _QUIET | _ALONE | {"RAY_AUTH_TOKEN": secrets.token_hex(32)})
    import ray  # noqa: PLC0415 - an extra, and slow to load

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        try:
            if settings.address is None:
                folder = stack.enter_context(TemporaryDirectory(prefix="campaign-ray-", dir=_SHORT, ignore_cleanup_errors=True))
                stack.callback(ray.shutdown)
                _start_one(ray, settings.workers, Path(folder))
            else:
                stack.callback(ray.shutdown)
                ray.init(address=settings.address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
        except (OSError, RuntimeError, ValueError, AssertionError, ray.exceptions.RayError) as error:
            where = (
                "Ray could not be started on this machine"
                if settings.address is None
                else f"There is no cluster of Ray at {settings.address} that lets this command in (RAY_AUTH_MODE, RAY_AUTH_TOKEN)"
            )
            raise UsageError(
                f"{where}: {_first_line(error)} Nothing was sent. See docs/operations/ray.md.", code="no_cluster", option="--address"
            ) from error
        yield RayCluster(ray, here=_only_here(ray, settings))


def _start_one(ray: Any, workers: int, folder: Path) -> None:
    """Start a cluster on this machine alone, without secrets in its environment, and with sockets that no other user can reach."""
    kept = {name: os.environ.pop(name) for name in [*os.environ] if name.upper() in _SECRETS}
    try:
        ray.init(
            address="local",
            num_cpus=workers,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            namespace=NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            # Ray makes this folder readable for everybody, but nobody else can pass its parent.
            _temp_dir=str(folder / "r"),
        )
    finally:
        os.environ.update(kept)


def _only_here(ray: Any, settings: Settings) -> str:
    """The node that workers must run on; empty if any will do.

    Raises:
        UsageError: the ledger is a file, and the cluster has other machines.
    """
    if not settings.ledger_is_a_file:
        return ""
    alive = [node for node in ray.nodes() if node["Alive"]]
    if len(alive) > 1 or any(node["NodeManagerHostname"] != socket.gethostname() for node in alive):
        raise UsageError(
            f"The cluster at {settings.address} has {len(alive)} nodes, and a ledger in a file is for one machine. Put the ledger into "
            "PostgreSQL (docs/operations/postgresql.md), or leave --address out. Nothing was sent.",
            code="ledger_of_one_machine",
            option="--address",
        )
    here: str = ray.get_runtime_context().get_node_id()
    return here


class RayCluster:
    """`protocol.Cluster`; `here` is the node that workers must run on; empty for any."""

    def __init__(self, ray: Any, *, here: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - an extra

        self._ray = ray
        # Workers wait for the network nearly all the time, so they take no processor (`num_cpus`).
        strategy = NodeAffinitySchedulingStrategy(node_id=here, soft=False) if here else "SPREAD"
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 0, "scheduling_strategy": strategy}
        self._worker = ray.remote(**options)(Worker)

    def start_worker(self, name: str) -> WorkerHandle | None:
        try:
            return _Actor(self._ray, self._worker.options(name=name).remote())
        except ValueError:
            return None


class _Actor:
    """`protocol.WorkerHandle`."""

    def __init__(self, ray: Any, handle: Any) -> None:
        self._ray = ray
        self._handle = handle

    async def register(self, order: Order) -> End | Broken | None:
        errors = self._ray.exceptions
        try:
            # Ray waits for ever for a node with room, even if the last one is lost.
            async with asyncio.timeout(STARTS_SECONDS):
                await self._handle.keepalive.remote()
        except TimeoutError as error:
            why = f"No node of the cluster has begun it within {STARTS_SECONDS:g} s: they may be lost, or full."
            raise LostError(why, for_good=False) from error
        except errors.RayError as error:
            raise self._lost(error) from error
        try:
            # An argument of a call goes from process to process, and Ray neither lists nor stores it.
            ended: End | Broken | None = await self._handle.register.remote(order)
        except errors.RayError as error:
            raise self._lost(error) from error
        return ended

    async def send(self, *, refused: str = "") -> End | Broken:
        try:
            ended: End | Broken = await self._handle.send.remote(refused=refused)
        except self._ray.exceptions.RayError as error:
            raise self._lost(error) from error
        return ended

    async def stop(self, exit_code: int, *, now: bool) -> None:
        with suppress(self._ray.exceptions.RayError):
            await self._handle.stop.remote(exit_code, now=now)

    def keepalive(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._handle.keepalive.remote()

    def _lost(self, error: Exception) -> LostError:
        return LostError(_first_line(error), for_good=not isinstance(error, self._ray.exceptions.ActorUnavailableError))

    def terminate(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._handle, no_restart=True)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{lines[0].rstrip('.')}." if lines else f"{type(error).__name__}."
