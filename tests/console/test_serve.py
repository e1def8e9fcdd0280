"""Where the console may be served, and for whom; by https, behind a proxy, or for this machine alone."""

import asyncio
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from campaign.console import campaigns
from campaign.console.access import Handler, Role, allow
from campaign.console.app import served
from campaign.console.auth import users
from campaign.console.auth.authorization import ENDING, is_still_allowed
from campaign.console.auth.users import Passwords
from campaign.console.console_settings import ConsoleSettings
from campaign.console.store import open_store
from campaign.domain.errors import UsageError
from campaign.settings import IsolatedSettings
from tests.console.auth_given import CHEAP, PASSWORD, Browser, house, is_in


def settings_in(folder: Path) -> IsolatedSettings:
    return IsolatedSettings.read(ledger=str(folder / "campaign.db"))


async def has_user(folder: Path, name: str = "ann", role: str = "approver") -> None:
    store, passwords = open_store(folder / "console"), Passwords(CHEAP)
    try:
        await users.add(store, name, role, passwords.hashed(PASSWORD))
    finally:
        passwords.close()
        store.close()


def certificate_in(folder: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate for localhost that nobody but itself has signed, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(Encoding.PEM))
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return certificate, key


async def refused(folder: Path, console_settings: ConsoleSettings) -> str:
    """The code of the error that keeps it from being served."""
    with pytest.raises(UsageError) as problem:
        async with served(console_settings, settings_in(folder)):
            pass
    return problem.value.code


async def test_for_this_machine_alone_a_link_lets_the_owner_in(tmp_path: Path) -> None:
    async with served(ConsoleSettings(port=0), settings_in(tmp_path)) as at:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/enter\?key=[\w-]{43}", at.link)
        browser = Browser(at.url)
        try:
            await browser.get(at.link.removeprefix(at.url))
            assert (await browser.post("/enter", {"key": at.link.partition("key=")[2]})).status == 303
            page = await browser.get("/trail")
            assert is_in(page)
            assert "owner" in page.text
        finally:
            await browser.close()
    assert (tmp_path / "console").stat().st_mode & 0o077 == 0


async def test_with_users_there_is_no_link(tmp_path: Path) -> None:
    await has_user(tmp_path)
    async with served(ConsoleSettings(port=0), settings_in(tmp_path)) as at:
        assert at.link == at.url
        browser = Browser(at.url)
        try:
            assert (await browser.log_in("ann")).status == 303
            assert is_in(await browser.get("/"))
            assert (await browser.get("/login", Host="evil.example")).status == 421
        finally:
            await browser.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])  # noqa: S104 - what must be refused
async def test_elsewhere_it_needs_users(tmp_path: Path, host: str) -> None:
    certificate, key = certificate_in(tmp_path)
    assert await refused(tmp_path, ConsoleSettings(host=host, port=0, tls_cert=certificate, tls_key=key)) == "no_users"


async def test_elsewhere_it_needs_https(tmp_path: Path) -> None:
    await has_user(tmp_path)
    assert await refused(tmp_path, ConsoleSettings(host="0.0.0.0", port=0)) == "needs_https"  # noqa: S104 - what must be refused


async def test_behind_a_proxy_it_needs_users_on_this_machine_as_well(tmp_path: Path) -> None:
    assert await refused(tmp_path, ConsoleSettings(port=0, behind_proxy=True)) == "no_users"


async def test_approval_needs_somebody_who_may(tmp_path: Path) -> None:
    console_settings = ConsoleSettings(port=0, require_approval=100)
    assert await refused(tmp_path, console_settings) == "no_approver"
    await has_user(tmp_path, "sam", "sender")
    assert await refused(tmp_path, console_settings) == "no_approver"
    await has_user(tmp_path)
    async with served(console_settings, settings_in(tmp_path)):
        pass


async def test_by_https_cookies_are_bound_to_it(tmp_path: Path) -> None:
    await has_user(tmp_path)
    certificate, key = certificate_in(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        served(ConsoleSettings(host="localhost", port=0, tls_cert=certificate, tls_key=key), settings_in(tmp_path)) as at,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
    ):
        assert at.url.startswith("https://localhost:")
        async with session.get(at.url + "/") as page:
            token = re.search(r'name="csrf" value="([^"]+)"', await page.text())
            assert token is not None
            assert page.headers["Strict-Transport-Security"].startswith("max-age=")
        form = {"csrf": token[1], "name": "ann", "password": PASSWORD}
        async with session.post(at.url + "/login", data=form, headers={"Origin": at.url}, allow_redirects=False) as answer:
            assert answer.status == 303
            cookie = next(value for value in answer.headers.getall("Set-Cookie") if "session" in value)
        assert cookie.startswith("__Host-campaign-session=")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        async with session.get(at.url + "/trail") as page:
            assert page.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(at.url.replace("https", "http") + "/")


async def test_behind_a_proxy_cookies_are_for_https_and_http_is_told_off(tmp_path: Path) -> None:
    await has_user(tmp_path)
    async with (
        served(ConsoleSettings(port=0, behind_proxy=True), settings_in(tmp_path)) as at,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        assert at.link == at.url
        headers = {"Host": "campaign.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}
        async with session.get(at.url + "/login", headers=headers) as page:
            visit = page.headers["Set-Cookie"]
            token = re.search(r'name="csrf" value="([^"]+)"', await page.text())
            assert token is not None
            assert "Strict-Transport-Security" in page.headers
        assert visit.startswith("__Host-campaign-visit=")
        assert "Secure" in visit.split("; ")
        form = {"csrf": token[1], "name": "ann", "password": PASSWORD}
        headers |= {"Cookie": visit.partition(";")[0], "Origin": "https://campaign.example"}
        async with session.post(at.url + "/login", data=form, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303
            held = next(value for value in answer.headers.getall("Set-Cookie") if "session" in value).partition(";")[0]
        async with session.get(at.url + "/trail", headers=headers | {"Cookie": held}) as page:
            assert "192.0.2.9" in await page.text()
        async with session.get(at.url + "/login", headers={"X-Forwarded-Proto": "http"}) as page:
            assert page.status == 426


@allow(Role.NOBODY)
async def heeding(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b"data: 1\n\n")
    await request.app[ENDING].wait()
    return answer


@allow(Role.NOBODY)
async def heedless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await answer.write(b"data: 1\n\n")
    await asyncio.sleep(3600)
    return answer


@pytest.mark.parametrize(("handler", "patience_seconds"), [(heeding, 600.0), (heedless, 0.2)])
async def test_answers_that_last_do_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: Handler, patience_seconds: float
) -> None:
    routes = campaigns.routes()
    monkeypatch.setattr(campaigns, "routes", lambda: [*routes, web.get("/lasting", handler)])
    monkeypatch.setattr("campaign.console.app.SHUTDOWN_SECONDS", patience_seconds)
    # The end comes before the time limit of a test.
    async with aiohttp.ClientSession() as session:
        async with served(ConsoleSettings(port=0), settings_in(tmp_path)) as at:
            answer = await session.get(at.url + "/lasting")
            assert await answer.content.readline() == b"data: 1\n"
        answer.close()


@pytest.mark.parametrize("role", ["sender", "nobody"])
async def test_an_answer_that_lasts_can_tell_when_its_visitor_is_out(tmp_path: Path, role: str) -> None:
    @allow(Role.SENDER)
    async def lasting(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while await is_still_allowed(request):
            await answer.write(b"in\n")
            await asyncio.sleep(0.01)
        return answer

    async with house(tmp_path, more=[web.get("/lasting", lasting)]) as given:
        browser = await given.browser_of("sender")
        waiting = asyncio.create_task(browser.get("/lasting"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        if role == "nobody":
            await users.remove(given.console.store, "sam")
        else:
            await users.set_role(given.console.store, "sam", "viewer")
        assert set((await waiting).text.split()) == {"in"}


async def test_what_is_wrong_with_a_certificate_is_told(tmp_path: Path) -> None:
    certificate, key = certificate_in(tmp_path)
    assert await refused(tmp_path, ConsoleSettings(port=0, tls_cert=certificate)) == "certificate_without_key"
    assert await refused(tmp_path, ConsoleSettings(port=0, tls_cert=certificate, tls_key=tmp_path / "missing.pem")) == "unreadable_file"
    assert await refused(tmp_path, ConsoleSettings(port=0, tls_cert=key, tls_key=key)) == "bad_certificate"
    certificate, key = certificate_in(tmp_path, b"a password")
    assert await refused(tmp_path, ConsoleSettings(port=0, tls_cert=certificate, tls_key=key)) == "bad_certificate"


async def test_what_is_wrong_with_the_place_is_told(tmp_path: Path) -> None:
    async with served(ConsoleSettings(port=0), settings_in(tmp_path)) as at:
        assert await refused(tmp_path, ConsoleSettings(port=int(at.url.rpartition(":")[2]))) == "port_taken"
    open_folder = tmp_path / "open"
    open_folder.mkdir(mode=0o755)
    assert await refused(tmp_path, ConsoleSettings(port=0, folder=open_folder)) == "open_to_others"
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert await refused(tmp_path, ConsoleSettings(port=0, folder=tmp_path / "file")) == "folder_not_writable"
    damaged = tmp_path / "damaged"
    damaged.mkdir(mode=0o700)
    (damaged / "console.db").write_bytes(b"no database" * 1000)
    assert await refused(tmp_path, ConsoleSettings(port=0, folder=damaged)) == "console_damaged"
