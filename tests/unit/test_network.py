"""Which proxy: as the environment says it to other tools, and as it is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import UsageError
from campaign.sender.api.network import Proxy, network_to
from tests.errors import raises

API = "https://api.passentry.com"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method", "ssl_cert_file")
PROXY = "http://proxy.example:3128"
OTHER = "http://other.example:8080"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


CHOICES: list[tuple[dict[str, str], str, str, str]] = [
    # environment, API, proxy, source
    ({}, API, "", ""),
    ({"HTTPS_PROXY": PROXY}, API, PROXY, "HTTPS_PROXY"),
    ({"https_proxy": PROXY}, API, PROXY, "https_proxy"),
    ({"HTTPS_PROXY": PROXY, "https_proxy": OTHER}, API, OTHER, "https_proxy"),
    ({"HTTPS_PROXY": PROXY, "https_proxy": ""}, API, "", ""),
    ({"HTTPS_PROXY": ""}, API, "", ""),
    ({"ALL_PROXY": PROXY}, API, PROXY, "ALL_PROXY"),
    ({"all_proxy": PROXY}, API, PROXY, "all_proxy"),
    ({"ALL_PROXY": OTHER, "HTTPS_PROXY": PROXY}, API, PROXY, "HTTPS_PROXY"),
    # socks is for all but https here
    ({"ALL_PROXY": "socks5://socks.example", "HTTPS_PROXY": PROXY}, API, PROXY, "HTTPS_PROXY"),
    ({"HTTP_PROXY": PROXY, "http_proxy": PROXY}, API, "", ""),
    ({"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"}, API, PROXY, "HTTPS_PROXY"),
    # http is for this machine alone
    ({"HTTP_PROXY": PROXY, "http_proxy": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": PROXY}, "http://127.0.0.1:8080", "", ""),
    ({"HTTPS_PROXY": PROXY}, "https://localhost:8443", PROXY, "HTTPS_PROXY"),
    # as other tools take it
    ({"HTTPS_PROXY": "proxy.example:3128"}, API, PROXY, "HTTPS_PROXY"),
    ({"HTTPS_PROXY": "proxy.example"}, API, "http://proxy.example:80", "HTTPS_PROXY"),
    ({"HTTPS_PROXY": "https://proxy.example"}, API, "https://proxy.example:443", "HTTPS_PROXY"),
    ({"HTTPS_PROXY": "HTTP://Proxy.Example:3128/"}, API, PROXY, "HTTPS_PROXY"),
    ({"HTTPS_PROXY": " http://proxy.example:3128\n"}, API, PROXY, "HTTPS_PROXY"),
    ({"HTTPS_PROXY": "http://corp_proxy:3128"}, API, "http://corp_proxy:3128", "HTTPS_PROXY"),
    ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, API, "http://[fd00::1]:3128", "HTTPS_PROXY"),
    ({"HTTPS_PROXY": "http://anna:secret@proxy.example:3128"}, API, PROXY, "HTTPS_PROXY"),
]


@pytest.mark.parametrize(("environment", "url", "proxy", "source"), CHOICES)
def test_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str, source: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = network_to(url, proxy="", ca_file=None).proxy
    assert (found.url, found.source) == (proxy, source) if found is not None else not proxy


DIRECT: list[tuple[str, str, bool]] = [
    # NO_PROXY, API, whether it is reached directly
    ("", API, False),
    ("*", API, True),
    ("api.passentry.com", API, True),
    ("API.PassEntry.com", API, True),
    ("passentry.com", API, True),
    (".passentry.com", API, True),
    ("example.com, passentry.com", API, True),
    ("entry.com", API, False),
    ("api.passentry.com.example", API, False),
    ("api.passentry.com:443", API, True),
    ("api.passentry.com:8443", API, False),
    ("localhost:8443", "https://localhost:8443", True),
    ("127.0.0.1", "https://127.0.0.1:8443", True),
    ("127.0.0.0/8", "https://127.0.0.1:8443", True),
    ("10.0.0.0/8", "https://127.0.0.1:8443", False),
    ("::1", "https://[::1]:8443", True),
    ("[::1]", "https://[::1]:8443", True),
    ("fd00::/8,::/96", "https://[::1]:8443", True),
    ("10.0.0.0/8", "https://[::1]:8443", False),
    ("10.0.0.0/8", API, False),
]


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(("no_proxy", "url", "direct"), DIRECT)
def test_what_needs_no_proxy(monkeypatch: pytest.MonkeyPatch, name: str, no_proxy: str, url: str, *, direct: bool) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv(name, no_proxy)
    assert (network_to(url, proxy="", ca_file=None).proxy is None) is direct


def test_what_is_asked_for_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", OTHER)
    monkeypatch.setenv("NO_PROXY", "*")
    found = network_to(API, proxy=PROXY, ca_file=None).proxy
    assert found is not None
    assert (found.url, found.source) == (PROXY, "--proxy")


def test_the_login_is_decoded_and_shown_nowhere() -> None:
    proxy = Proxy.parse("http://corp%5Canna:p%40ss%3Aw%2F%C3%B6rd@proxy.example:3128")
    assert (proxy.user, proxy.password, proxy.url) == ("corp\\anna", "p@ss:w/örd", PROXY)
    assert proxy.has_login
    assert "anna" not in f"{proxy}{proxy!r}"
    assert "rd" not in f"{proxy}{proxy!r}"
    assert not Proxy.parse(PROXY).has_login


NONE = [
    "socks5://proxy.example:1080",
    "socks5h://anna:secret@proxy.example",
    "SOCKS4://proxy.example",
    "ftp://anna:secret@proxy.example",
    "htps://anna:secret@proxy.example:3128",
    "http://",
    "http://anna:secret@",
    "http://anna:secret@proxy.example:port",
    "http://anna:secret@proxy.example:99999",
    "http://anna:secret@proxy.example:0",
    "http://anna:se#cret@proxy.example:3128",
    "http://anna:se/cret@proxy.example:3128",
    "http://anna:se?cret@proxy.example:3128",
    "http://an%3Ana:secret@proxy.example:3128",
    "http://proxy.example:3128/secret",
    "http://proxy.example:3128?secret",
    "http://[secret",
    "http://proxy example:3128",
    "http://proxy.example\r\nX-Evil:secret",
]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_proxy_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(ValueError, match="http://HOST:PORT") as refused:
        Proxy.parse(text)
    assert "cret" not in str(refused.value)
    for variable in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, text)
        with raises(UsageError, "bad_value", option=variable) as told:
            network_to(API, proxy="", ca_file=None)
        assert "cret" not in str(told.value)
        monkeypatch.delenv(variable)
    with raises(UsageError, "bad_value", option="--proxy"):
        network_to(API, proxy=text, ca_file=None)


@given(st.text())
def test_any_text_is_a_proxy_or_refused(text: str) -> None:
    try:
        proxy = Proxy.parse(text)
    except ValueError:
        return
    # What is taken for a proxy is taken for the same one again.
    again = Proxy.parse(proxy.url)
    assert (again.url, again.has_login) == (proxy.url, False)
