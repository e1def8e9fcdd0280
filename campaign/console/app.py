"""The console's application, and the server that runs it until a signal ends it."""

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

from campaign.console import audit_log, campaigns, pages
from campaign.console.access import Authentication, Role
from campaign.console.auth import login, users
from campaign.console.auth.authorization import AUTHENTICATION, ENDING, guard
from campaign.console.auth.error_pages import error_pages
from campaign.console.auth.login import Authenticator
from campaign.console.auth.sessions import key_in, make_link
from campaign.console.auth.site import LOOPBACK_NAMES, SITE, Site, add_headers, is_loopback
from campaign.console.auth.users import Passwords
from campaign.console.console import CONSOLE, Console, Rules
from campaign.console.console_settings import ConsoleSettings
from campaign.console.drafts import cleanup
from campaign.console.drafts import pages as draft_pages
from campaign.console.drafts.uploads import UPLOAD_LIMITS, UploadLimits
from campaign.console.pages import Pages
from campaign.console.store import Store, open_store
from campaign.domain.errors import UsageError
from campaign.loader.formats.file_format import LIST_SUFFIXES
from campaign.settings import Settings

MOST_FORM_BYTES: Final = 1 << 20
"""The limit of every body but an upload, which is streamed."""


def make_app(console: Console, door: Authentication, place: Site | None = None) -> web.Application:
    """The console's application; `door` identifies its visitors."""
    app = web.Application(client_max_size=MOST_FORM_BYTES, middlewares=[error_pages(), guard(door)])
    app[CONSOLE] = console
    app[AUTHENTICATION] = door
    app[SITE] = place or Site()
    app[ENDING] = asyncio.Event()
    app[UPLOAD_LIMITS] = UploadLimits()
    app.on_shutdown.append(_end_streams)
    console.pages.give("api_url", console.settings.api_url)
    console.pages.give("list_suffixes", ",".join(LIST_SUFFIXES))
    console.pages.give("approvals", console.rules.approval_over is not None)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(cleanup.background)
    app.add_routes([*pages.static_routes(), *login.routes(), *audit_log.routes(), *campaigns.routes(), *draft_pages.routes()])
    campaigns.set_up(app)
    return app


async def _end_streams(app: web.Application) -> None:
    app[ENDING].set()


SHUTDOWN_SECONDS: Final = 1.0
"""How long open answers may take to end, and again after they are aborted."""

_BACKLOG: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """`url` is the console's address, `link` the address to open first; they differ if there are no users."""

    url: str
    link: str


async def serve(console_settings: ConsoleSettings, settings: Settings, ready: Callable[[Served], None]) -> int:
    """Serve until SIGINT or SIGTERM, which is the normal end, so it returns 0.

    Raises:
        UsageError: the settings are not safe, or the port, the folder or the certificate can't be used.
    """
    # Invalid HTTP from browsers is not worth a log entry; errors in pages are logged by `error_pages`, with a number.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end.set)
    async with served(console_settings, settings) as found:
        ready(found)
        await told_to_end.wait()
    return 0


@asynccontextmanager
async def served(console_settings: ConsoleSettings, settings: Settings) -> AsyncIterator[Served]:
    """The console, listening."""
    certificate = _certificate(console_settings)
    folder = console_settings.folder_beside(settings)
    store = open_store(folder)
    passwords = Passwords()
    try:
        by_link = is_loopback(console_settings.host) and not console_settings.behind_proxy
        await _check_users(console_settings, store, by_link=by_link)
        secure = certificate is not None or console_settings.behind_proxy
        place = Site(
            names=None if secure else LOOPBACK_NAMES | {console_settings.host.strip("[]").lower()},
            secure=secure,
            behind_proxy=console_settings.behind_proxy,
        )
        door = Authenticator(store=store, key=key_in(folder / "console.key"), by_link=by_link, passwords=passwords)
        rules = Rules(approval_over=console_settings.require_approval, most_upload_bytes=console_settings.most_upload)
        console = Console(folder=folder, settings=settings, store=store, pages=Pages(), rules=rules)
        runner = web.AppRunner(
            make_app(console, door, place), handle_signals=False, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=75
        )
        with _listening(console_settings) as listening:
            await runner.setup()
            try:
                await web.SockSite(runner, listening, ssl_context=certificate, backlog=_BACKLOG).start()
                url = _url(console_settings.host, listening.getsockname()[1], secure=certificate is not None)
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


async def _check_users(console_settings: ConsoleSettings, store: Store, *, by_link: bool) -> None:
    known = await users.everyone(store)
    if not by_link and not known:
        where = "Behind a proxy" if console_settings.behind_proxy else f"At {console_settings.host}, where others reach it,"
        raise UsageError(f"{where} the console needs users. Add the first: campaign user add NAME --role approver", code="no_users")
    if not is_loopback(console_settings.host) and not console_settings.behind_proxy and console_settings.tls_cert is None:
        raise UsageError(
            f"At {console_settings.host}, where others reach it, the console needs HTTPS: give --tls-cert and --tls-key, "
            "or --behind-proxy if a proxy serves HTTPS.",
            code="needs_https",
        )
    if console_settings.require_approval is not None and not any(user.role >= Role.APPROVER for user in known):
        raise UsageError(
            "--require-approval needs an approver. Add one: campaign user add NAME --role approver",
            code="no_approver",
            option="--require-approval",
        )


def _certificate(console_settings: ConsoleSettings) -> ssl.SSLContext | None:
    if console_settings.tls_cert is None and console_settings.tls_key is None:
        return None
    if console_settings.tls_cert is None or console_settings.tls_key is None:
        raise UsageError("--tls-cert and --tls-key go together: give both, or neither.", code="certificate_without_key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for file in (console_settings.tls_cert, console_settings.tls_key):
        _check_readable(file)
    try:
        context.load_cert_chain(console_settings.tls_cert, console_settings.tls_key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(
            f"{console_settings.tls_cert} and {console_settings.tls_key} are not a certificate and its key in PEM without a password "
            f"({error}).",
            code="bad_certificate",
        ) from error
    return context


def _check_readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {os.strerror(error.errno or 0)}.", code="unreadable_file") from error


def _no_password() -> str:
    # Otherwise the library would ask on the terminal, and a service has none.
    raise ValueError("the key has a password")


def _listening(console_settings: ConsoleSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            console_settings.host.strip("[]"), console_settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            f"--host (or CAMPAIGN_CONSOLE_HOST): can't listen at “{console_settings.host}” ({error.strerror}).",
            code="bad_value",
            option="--host",
        ) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"The console can't listen at {console_settings.host}, port {console_settings.port}: {os.strerror(error.errno or 0)}. "
            "Choose another port with --port, or --port 0 for any free one.",
            code="port_taken",
            option="--port",
        ) from error
    return listening


def _url(host: str, port: int, *, secure: bool) -> str:
    host = host.strip("[]")
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
