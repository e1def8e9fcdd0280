"""Where requests with the token may go, what may be a token, and the path of a pass."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from campaign.domain.errors import UsageError
from campaign.sender.api.api_url import ApiUrl, UnsendableIdError, check_token, check_url, id_problem
from tests.errors import raises

GOOD_URLS = {
    "https://api.passentry.com": ("https://api.passentry.com", "/api/v1/passes/"),
    "https://api.passentry.com/": ("https://api.passentry.com", "/api/v1/passes/"),
    "HTTPS://API.PassEntry.com:8443": ("https://api.passentry.com:8443", "/api/v1/passes/"),
    "https://gate.example/passentry/eu-1/": ("https://gate.example", "/passentry/eu-1/api/v1/passes/"),
    " https://api.passentry.com\n": ("https://api.passentry.com", "/api/v1/passes/"),
    "https://10.0.0.1": ("https://10.0.0.1", "/api/v1/passes/"),
    "http://127.0.0.1:8000": ("http://127.0.0.1:8000", "/api/v1/passes/"),
    "http://127.8.9.1": ("http://127.8.9.1", "/api/v1/passes/"),
    "http://[::1]:8000": ("http://[::1]:8000", "/api/v1/passes/"),
    "http://localhost:8000": ("http://localhost:8000", "/api/v1/passes/"),
}
UNENCRYPTED = [
    "http://api.passentry.com",
    "http://10.0.0.1",
    "http://0.0.0.0",
    "http://[::2]",
    "http://[::ffff:127.0.0.1]",
    "http://localhost.example",
    "http://127.0.0.1.example",
    "http://127.1",
    "http://2130706433",
]
NO_URLS = [
    "",
    "api.passentry.com",
    "ftp://api.passentry.com",
    "https://",
    "https:///x",
    "https://a b",
    "https://api.passentry.com:0",
    "https://api.passentry.com:65536",
    "https://api.passentry.com:port",
    "https://-a.example",
    "https://a..example",
    "https://bücher.example",
    f"https://{64 * 'a'}.example",
    "https://api.passentry.com\\evil",
    "https://api.passentry.com/a//b",
    "https://api.passentry.com/a/../b",
    "https://api.passentry.com/./b",
    "https://api.passentry.com/..",
    "https://api.passentry.com/%2e%2e/b",
    "https://api.passentry.com/a;b",
    "https://api.passentry.com\r\n/x",
    "http://[::1",
    "http://[localhost]",
]


@pytest.mark.parametrize(("url", "parts"), GOOD_URLS.items())
def test_a_good_url(url: str, parts: tuple[str, str]) -> None:
    check_url(url)
    endpoint = ApiUrl.of(url)
    assert (endpoint.origin, endpoint.passes) == parts
    # What connects later reads the same host in it.
    assert str(URL(endpoint.origin).origin()).rstrip("/") == endpoint.origin


@pytest.mark.parametrize("url", UNENCRYPTED)
def test_http_is_for_loopback_only(url: str) -> None:
    with raises(UsageError, "not_https", option="PASSENTRY_API_URL"):
        check_url(url)


@pytest.mark.parametrize("url", NO_URLS)
def test_what_is_no_url_is_refused(url: str) -> None:
    with raises(UsageError, "bad_url", option="PASSENTRY_API_URL"):
        check_url(url)


def test_a_token_in_the_place_of_the_url_is_not_repeated() -> None:
    with pytest.raises(UsageError) as error:
        check_url("pe_live_0123456789abcdef")
    assert "pe_live" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@api.passentry.com",
        "https://secret@api.passentry.com",
        "https://api.passentry.com@evil.example",
        "http://127.0.0.1:80@evil.example/",
        "https://api.passentry.com?key=secret",
        "https://api.passentry.com/#secret",
    ],
)
def test_what_may_hold_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with raises(UsageError, "bad_url", option="PASSENTRY_API_URL") as error:
        check_url(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["https://api.passentry.com/api/v1", "https://api.passentry.com/api/v1/"])
def test_the_path_of_the_api_itself_is_not_doubled(url: str) -> None:
    with raises(UsageError, "bad_url", option="PASSENTRY_API_URL"):
        check_url(url)


@pytest.mark.parametrize("token", ["abc", " abc\n", "\tabc", "a-._~+/=b", "a" * 4000])
def test_a_good_token(token: str) -> None:
    assert check_token(token) == token.strip()


@pytest.mark.parametrize("token", ["", " ", "\n\t"])
def test_no_token(token: str) -> None:
    with raises(UsageError, "no_token"):
        check_token(token)


@pytest.mark.parametrize(
    "token",
    [
        *("s3cret\r\nX-Evil: 1", "s3cret\nx", "Bearer s3cret", "s3cret\x00", "s3cret\x7f", "s3crét", "s3cret\u2028x"),
        *('"s3cret"', "'s3cret'", "s3cret'", 's3"cret'),
    ],
)
def test_a_token_that_can_not_be_one_is_refused_and_not_repeated(token: str) -> None:
    with raises(UsageError, "bad_token") as error:
        check_token(token)
    assert "s3cr" not in str(error.value)


ENDPOINT = ApiUrl.of("https://api.passentry.com")


@given(st.text(min_size=1).filter(lambda text: not id_problem(text)))
def test_any_id_is_one_segment_that_reads_back_as_it_was(pass_id: str) -> None:
    path = ENDPOINT.notification_path(pass_id)
    assert ENDPOINT.pass_path(pass_id) + "/notification" == path
    before, segment, after = path.rsplit("/", 2)
    assert (before, after) == ("/api/v1/passes", "notification")
    assert (unquote(segment), segment.isascii(), segment.isprintable()) == (pass_id, True, True)
    assert not set(segment) & set(' /?#\\;&=+"<>')
    assert URL(ENDPOINT.origin).with_path(path, encoded=True).raw_path_qs == path


@pytest.mark.parametrize(("pass_id", "what"), [("", "empty"), (".", "be part"), ("..", "be part"), ("\ud800", "half a character")])
def test_an_id_that_no_url_can_name(pass_id: str, what: str) -> None:
    assert what in id_problem(pass_id)
    for path in (ENDPOINT.pass_path, ENDPOINT.notification_path):
        with pytest.raises(UnsendableIdError, match=what):
            path(pass_id)
