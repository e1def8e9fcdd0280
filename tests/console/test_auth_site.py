"""Where a request may lead: to this console's own name, to static files that there are, and after the log-in to its own pages."""

import asyncio
import html
import re
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from campaign.console.auth.authorization import local_path
from campaign.console.auth.site import LOOPBACK_NAMES, Site
from tests.console.auth_given import check_headers, house


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fsettings.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/vendor",
        "/static/vendor/",
        "/static/",
        "/static/style.css%00.js",
    ],
)
async def test_static_files_are_the_ones_that_there_are(tmp_path: Path, path: str) -> None:
    async with house(tmp_path) as given:
        raw = await asked(given.url, "GET", path)
        assert raw.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), raw[:80]
        assert b"import" not in raw
        assert b"root:" not in raw


async def test_a_static_file_is_kept_as_long_as_its_address_is_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        page = (await browser.get("/login")).text
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            answer = await browser.get(address)
            assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True), address
            plain = await browser.get(address.partition("?")[0])
            assert plain.headers["Cache-Control"] == "no-cache"
            again = await browser.get(address.partition("?")[0], If_None_Match=plain.headers["ETag"])
            assert (again.status, again.text) == (304, "")
            other = await browser.get(address.partition("?")[0] + "?v=older")
            assert other.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:99", 200),
        ("LOCALHOST:8321", 200),
        ("[::1]:8321", 200),
        ("evil.example", 421),
        ("evil.example:8321", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.", 421),
        ("[::2]", 421),
        ("127.0.0.1:port", 421),
        ("127.0.0.1:99999", 421),
        ("", 421),
    ],
)
async def test_another_name_that_leads_to_this_machine_is_not_answered(tmp_path: Path, host: str, status: int) -> None:
    async with house(tmp_path, place=Site(names=LOOPBACK_NAMES)) as given:
        for path in ("/login", "/static/style.css"):
            answer = await given.browser().get(path, Host=host)
            assert answer.status == status, path
            check_headers(answer)


@pytest.mark.parametrize(
    ("then", "where"),
    [
        ("/", "/"),
        ("/trail?before=3", "/trail?before=3"),
        ("/a/b#c", "/a/b#c"),
        ("", "/"),
        ("trail", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("https://evil.example", "/"),
        ("https:evil.example", "/"),
        ("javascript:alert(1)", "/"),
        (" //evil.example", "/"),
        ("/\u2028/evil.example", "/"),
    ],
)
async def test_after_the_log_in_nobody_is_led_elsewhere(tmp_path: Path, then: str, where: str) -> None:
    async with house(tmp_path) as given:
        browser = given.browser()
        assert (await browser.log_in("ann", then=then)).where == where
        assert (await browser.ask("GET", "/login?" + urlencode({"next": then}))).where == where


@drawn(st.text(alphabet=st.sampled_from("/\\:@?#.%\t\n\r ae\u2028")))
def test_whatever_is_given_leads_into_this_console(then: str) -> None:
    found = local_path(then)
    assert found.startswith("/")
    assert not re.match(r"/[\s\\]*/|/\\", found)
    assert urlsplit(found).netloc == ""


@pytest.mark.parametrize("path", ["/", "/trail?before=3&x=%22%3E%3Cb%3E", "//evil.example"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_in_a_mail_is_followed_by_a_page_of_ours(tmp_path: Path, path: str, site: str) -> None:
    async with house(tmp_path) as given:
        answer = await given.browser().get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")
        if path.startswith("//"):
            assert answer.status == 404
            return
        assert answer.status == 200
        found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.text)
        assert found is not None
        assert html.unescape(found[1]) == path
        again = await given.browser().get(path, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="navigate")
        assert (again.status, again.where.partition("?")[0]) == (303, "/login")


FORM = "Content-Type: application/x-www-form-urlencoded"
PARTS = "Content-Type: multipart/form-data"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (f"{FORM}; charset=bogus", b"a=b"),
        (FORM, b"csrf=\xff"),
        (f"{FORM}\r\nContent-Encoding: gzip", b"not gzip"),
        (PARTS, b"xx"),
        (f"{PARTS}; boundary=x", b""),
        (f"{PARTS}; boundary=x", b"xx\r\n--x\r\njunk"),
        (f"{PARTS}; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        (
            f"{PARTS}; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="csrf"\r\nContent-Transfer-Encoding: bogus\r\n\r\na\r\n--x--\r\n',
        ),
    ],
)
async def test_a_body_that_is_no_form_is_told(tmp_path: Path, header: str, body: bytes) -> None:
    async with house(tmp_path) as given:
        found = await asked(given.url, "POST", "/login", header, body=body)
        assert found.startswith(b"HTTP/1.1 400")
        assert b"Content-Security-Policy" in found
        assert b"The request could not be understood." in found


@pytest.mark.parametrize("address", ["http://[bad", "\\\\evil.example", "x"])
async def test_an_address_that_is_none_leads_to_the_log_in(tmp_path: Path, address: str) -> None:
    async with house(tmp_path) as given:
        answer = await given.browser().get("/trail", HX_Request="true", HX_Current_URL=address)
        assert (answer.status, answer.headers["HX-Redirect"]) == (401, "/login")


async def asked(url: str, method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """The whole answer to what no client would send."""
    to = urlsplit(url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {to.netloc}", "Connection: close", f"Content-Length: {len(body)}", *headers]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    found = await reader.read()
    writer.close()
    await writer.wait_closed()
    return found
