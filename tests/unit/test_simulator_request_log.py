"""The judge's own records, against naive ones."""

import os
import stat
from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import UsageError
from campaign.simulator.api.routes import TokenNames, fingerprint, read_target
from campaign.simulator.passes import NO_TEXT, PassTable, TextStore
from campaign.simulator.records import AuditFile, Ending, Notification
from campaign.simulator.request_log import NO_PASS, STORM, Arrival, NotificationLog, RequestLog
from tests.errors import raises

SENT = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", "z"])), max_size=40)


def notification_log() -> NotificationLog:
    return NotificationLog(passes=PassTable(), tokens=TokenNames(), started_ns=0)


@given(sent=SENT)
def test_figures_are_those_of_a_naive_count(sent: list[tuple[str, str]]) -> None:
    log = notification_log()
    for number, (pass_id, message) in enumerate(sent):
        log.add(pass_id=pass_id, message=message, request=number, token=0, at_ns=number, unix_ns=number)
    counts = Counter(sent)
    assert len(log) == len(sent)
    assert log.distinct_passes == len({pass_id for pass_id, _ in sent})
    assert log.duplicates == sum(1 for count in counts.values() if count > 1)
    assert log.surplus == sum(count - 1 for count in counts.values())
    assert [(entry.id, entry.message) for entry in log.entries()] == sent


def test_texts_are_kept_apart_however_many_there_are() -> None:
    log = notification_log()
    for number in range(10_000):
        log.add(pass_id="a", message=f"text {number % 5000}", request=number, token=0, at_ns=0, unix_ns=0)
    assert log.duplicates == 5000
    assert [entry.message for entry in log.entries()] == [f"text {number % 5000}" for number in range(10_000)]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=20))
def test_stored_texts_come_back_as_they_were(texts: list[str]) -> None:
    store = TextStore()
    numbers = [store.number(text) for text in texts]
    assert [store.text(number) for number in numbers] == texts
    assert NO_TEXT not in numbers


def test_an_entry_tells_when_and_by_whom_without_the_token() -> None:
    tokens = TokenNames()
    log = NotificationLog(passes=PassTable(), tokens=tokens, started_ns=1_000_000_000)
    log.add(
        pass_id="a/b", message="Grüße", request=7, token=tokens.number("secret"), at_ns=2_500_000_000, unix_ns=1_700_000_000_250_000_000
    )
    assert list(log.entries()) == [
        Notification(id="a/b", message="Grüße", at_seconds=1.5, unix_seconds=1_700_000_000.25, token=fingerprint("secret"), request=7)
    ]


class Requests:
    """A log with its tables."""

    def __init__(self, *, first: int = 1) -> None:
        self.passes, self.tokens = PassTable(), TokenNames()
        self.log = RequestLog(passes=self.passes, tokens=self.tokens, started_ns=0, first=first)

    def arrive(self, method: str, raw_path: str, token: str | None = None) -> int:
        target = read_target(method, raw_path)
        number = NO_PASS if target.pass_id is None else self.passes.number(target.pass_id, target.segment)
        return self.log.arrive(
            Arrival(
                method=method, target=target, raw_path=raw_path, pass_number=number, token=self.tokens.number(token), at_ns=0, unix_ns=0
            )
        )


@pytest.mark.parametrize(
    ("method", "raw_path", "pass_id"),
    [
        ("POST", "/api/v1/passes/abc/notification", "abc"),
        ("POST", "/api/v1/passes/a%2Fb/notification", "a/b"),
        ("POST", "/api/v1/passes/a%2fb/notification", "a/b"),
        ("POST", "/api/v1/passes/abc/notification?x=1", "abc"),
        ("GET", "/api/v1/passes/a%2Fb", "a/b"),
        ("GET", "/api/v1/passes/a%2Fb?x", "a/b"),
        ("POST", "/api/v1/passes/a%zz/notification", None),
        ("DELETE", "/api/v1/passes/abc", None),
        ("GET", "/", None),
    ],
)
def test_the_raw_path_is_kept_as_it_came(method: str, raw_path: str, pass_id: str | None) -> None:
    requests = Requests()
    requests.arrive("GET", "/api/v1/passes/a%2Fb")
    requests.arrive(method, raw_path)
    entry = list(requests.log.entries())[-1]
    assert (entry.method, entry.raw_path, entry.id) == (method, raw_path, pass_id)


def test_bytes_that_are_no_text_can_be_shown() -> None:
    requests = Requests()
    requests.arrive("GET", b"/\xff\xc3\xa9".decode("utf-8", "surrogateescape"))
    (entry,) = requests.log.entries()
    assert entry.raw_path == "/\\xffé"
    assert orjson.dumps(entry)


def test_what_became_of_a_request_may_be_corrected() -> None:
    requests = Requests()
    number = requests.arrive("GET", "/api/v1/passes/a")
    assert requests.log.by_ending()["open"] == 1
    requests.log.end(number, status=200, ending=Ending.ANSWERED, fault=None)
    requests.log.end(number, status=0, ending=Ending.LOST, fault="read_null")
    (entry,) = requests.log.entries()
    assert (entry.status, entry.ending, entry.fault) == (None, Ending.LOST, "read_null")
    assert requests.log.by_status() == {}
    assert {name: count for name, count in requests.log.by_ending().items() if count} == {"lost": 1}


def test_a_request_from_before_a_reset_changes_nothing() -> None:
    requests = Requests(first=100)
    number = requests.arrive("GET", "/api/v1/passes/a")
    requests.log.end(99, status=500, ending=Ending.ANSWERED, fault=STORM)
    (entry,) = requests.log.entries()
    assert (number, entry.number, entry.status, entry.ending) == (100, 100, None, Ending.OPEN)


def test_followed_redirects_are_counted_with_and_without_a_token() -> None:
    requests = Requests()
    requests.arrive("POST", "/elsewhere/1", "secret")
    requests.arrive("POST", "/elsewhere/2")
    requests.arrive("POST", "/api/v1/passes/a/notification", "secret")
    assert requests.log.followed_redirects() == (2, 1)


ENTRY = Notification(id="a", message="x", at_seconds=1.0, unix_seconds=2.0, token="t", request=1)


def test_the_audit_file_is_appended_to_and_private(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(2):
        audit_file = AuditFile(path)
        audit_file.append(ENTRY)
        audit_file.close()
    lines = path.read_bytes().splitlines()
    assert [Notification(**orjson.loads(line)) for line in lines] == [ENTRY, ENTRY]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_audit_file_that_can_not_be_opened_is_an_error_of_usage(tmp_path: Path) -> None:
    with raises(UsageError, "file_not_writable"):
        AuditFile(tmp_path / "nowhere" / "audit.jsonl")


def test_a_line_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """In a child of its own, for a limit on the size of files can't be lifted again without privileges."""
    path = tmp_path / "audit.jsonl"
    child = os.fork()
    if child == 0:
        os._exit(_write_until_full(path))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 2
    assert all(line.endswith(b"}\n") for line in lines)


def _write_until_full(path: Path) -> int:
    import resource  # noqa: PLC0415 - not on Windows, and only the child wants it
    import signal  # noqa: PLC0415 - (same)

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = len(orjson.dumps(ENTRY, option=orjson.OPT_APPEND_NEWLINE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size + size // 2, resource.RLIM_INFINITY))
    audit_file = AuditFile(path)
    try:
        for _ in range(3):
            audit_file.append(ENTRY)
    except OSError:
        return 0
    return 1
