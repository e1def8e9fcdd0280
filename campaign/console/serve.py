"""The console as a program of its own, until it is told to end."""

import asyncio
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from campaign.console.access import Role
from campaign.console.app import make_app
from campaign.console.console import Console, Rules
from campaign.console.door import users
from campaign.console.door.front import FrontDoor
from campaign.console.door.passwords import Passwords
from campaign.console.door.place import LOOPBACK_NAMES, Place, is_loopback
from campaign.console.door.sessions import key_in, make_link
from campaign.console.keeping import open_store
from campaign.console.pages import Pages
from campaign.console.serving import Serving
from campaign.console.store import Store
from campaign.domain.errors import UsageError
from campaign.settings import Settings

SHUTDOWN_SECONDS: Final = 1.0
"""What answers that last have for their end, and once more when they are broken off."""

_BACKLOG: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """`url` is the console's own address, `link` the one to come in by; they differ where there are no users."""

    url: str
    link: str


async def serve(serving: Serving, settings: Settings, ready: Callable[[Served], None]) -> int:
    """Serves until SIGINT or SIGTERM, which is how it is meant to end, and so returns 0.

    Raises:
        UsageError: it may not be served so, or the port, the folder or the certificate can't be used.
    """
    # What browsers send that is no HTTP is their mishap; what breaks off in a page is logged with its number.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end.set)
    async with served(serving, settings) as found:
        ready(found)
        await told_to_end.wait()
    return 0


@asynccontextmanager
async def served(serving: Serving, settings: Settings) -> AsyncIterator[Served]:
    """The console, listening."""
    certificate = _certificate(serving)
    folder = serving.folder_beside(settings)
    store = open_store(folder)
    passwords = Passwords()
    try:
        by_link = is_loopback(serving.host) and not serving.behind_proxy
        await _check_users(serving, store, by_link=by_link)
        secure = certificate is not None or serving.behind_proxy
        place = Place(
            names=None if secure else LOOPBACK_NAMES | {serving.host.strip("[]").lower()}, secure=secure, behind_proxy=serving.behind_proxy
        )
        door = FrontDoor(store=store, key=key_in(folder / "console.key"), by_link=by_link, passwords=passwords)
        rules = Rules(approval_over=serving.require_approval, most_upload_bytes=serving.most_upload)
        console = Console(folder=folder, settings=settings, store=store, pages=Pages(), rules=rules)
        runner = web.AppRunner(
            make_app(console, door, place), handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=75
        )
        with _listening(serving) as listening:
            await runner.setup()
            try:
                await web.SockSite(runner, listening, ssl_context=certificate, backlog=_BACKLOG).start()
                url = _url(serving.host, listening.getsockname()[1], secure=certificate is not None)
                yield Served(url=url, link=await _link(store, url, by_link=by_link))
            finally:
                await runner.cleanup()
    finally:
        passwords.close()
        store.close()


async def _link(store: Store, url: str, *, by_link: bool) -> str:
    await store.do(lambda db: db.execute("INSERT OR REPLACE INTO served (one, url) VALUES (1, ?)", (url if by_link else "",)).fetchall())
    if not by_link or await users.everyone(store):
        return url
    return await make_link(store, url, time.time())


async def _check_users(serving: Serving, store: Store, *, by_link: bool) -> None:
    known = await users.everyone(store)
    if not by_link and not known:
        where = "Behind a proxy" if serving.behind_proxy else f"At {serving.host}, where others reach it,"
        raise UsageError(f"{where} the console needs users. Add the first: campaign user add NAME --role approver", code="no_users")
    if not is_loopback(serving.host) and not serving.behind_proxy and serving.tls_cert is None:
        raise UsageError(
            f"At {serving.host}, where others reach it, the console is served by https only: give it --tls-cert and --tls-key, "
            "or --behind-proxy where a proxy does that.",
            code="needs_https",
        )
    if serving.require_approval is not None and not any(user.role >= Role.APPROVER for user in known):
        raise UsageError(
            "--require-approval needs a user who may approve: campaign user add NAME --role approver",
            code="no_approver",
            option="--require-approval",
        )


def _certificate(serving: Serving) -> ssl.SSLContext | None:
    if serving.tls_cert is None and serving.tls_key is None:
        return None
    if serving.tls_cert is None or serving.tls_key is None:
        raise UsageError("--tls-cert and --tls-key go together: give both, or neither.", code="certificate_without_key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for file in (serving.tls_cert, serving.tls_key):
        _check_readable(file)
    try:
        context.load_cert_chain(serving.tls_cert, serving.tls_key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(
            f"{serving.tls_cert} and {serving.tls_key} are not a certificate and its key, in PEM and without a password ({error}).",
            code="bad_certificate",
        ) from error
    return context


def _check_readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {os.strerror(error.errno or 0)}.", code="unreadable_file") from error


def _no_password() -> str:
    # Else the library would ask on the terminal, and a service has none.
    raise ValueError("the key has a password")


def _listening(serving: Serving) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            serving.host.strip("[]"), serving.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            f"--host (or CAMPAIGN_CONSOLE_HOST): there is no “{serving.host}” to listen at ({error.strerror}).",
            code="bad_value",
            option="--host",
        ) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"The console can't listen at {serving.host}, port {serving.port}: {os.strerror(error.errno or 0)}. "
            "Give another by --port, or --port 0 for any free one.",
            code="port_taken",
            option="--port",
        ) from error
    return listening


def _url(host: str, port: int, *, secure: bool) -> str:
    host = host.strip("[]")
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
