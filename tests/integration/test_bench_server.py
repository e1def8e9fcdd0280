"""The benchmark's own server: what it says of arrivals is what the figures of pace, resume and idling rest on."""

import json
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.bench.answering import arrivals, fastest, first_arrival, own
from tests.bench.children import environment, running, spent, told


def post(url: str) -> str:
    request = Request(f"{url}/api/v1/passes/x/notification", data=b'{"notification": {"message": "Hi"}}', method="POST")  # noqa: S310 - on loopback
    with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
        status: str = json.load(answer)["meta"]["notifications"]["status"]
        return status


def test_it_knows_when_each_post_came_and_answers_after_so_long() -> None:
    with own(0.1) as url:
        assert arrivals(url) == []
        began = time.monotonic()
        assert [post(url), post(url)] == ["delivered", "delivered"]
        ended = time.monotonic()
        first, second = arrivals(url)
        assert began < first < second < ended
        assert second - first >= 0.1
        assert ended - second >= 0.1


def test_a_pass_that_is_read_is_a_pass_and_no_arrival() -> None:
    with own() as url, build_opener(ProxyHandler({})).open(f"{url}/api/v1/passes/x", timeout=10) as answer:
        assert json.load(answer)["data"]["type"] == "pass"
        assert arrivals(url) == []


def test_the_fastest_server_there_is_answers_like_it_and_is_named(tmp_path: Path) -> None:
    with fastest(tmp_path) as server:
        assert server.name.startswith("nginx ") or server.note
        assert post(server.url) == "delivered"


def test_who_ends_before_it_sends_is_not_waited_for(tmp_path: Path) -> None:
    ends = [sys.executable, "-c", "raise SystemExit(3)"]
    said = pytest.raises(RuntimeError, match="ended with 3 before anything was sent")
    with own() as url, running(ends, environment(tmp_path / "no.db")) as process, said:
        first_arrival(url, [process])


def test_a_command_s_own_time_and_memory_are_told_whatever_its_parent_has(tmp_path: Path) -> None:
    given = environment(tmp_path / "no.db")
    kept = b"x" * 200_000_000
    found = spent([sys.executable, "-c", "import time; time.sleep(0.2); kept = b'x' * 50_000_000"], given, folder=tmp_path)
    assert len(kept) == 200_000_000
    assert 50 < found.peak_mb < 100
    assert found.seconds >= 0.2
    with pytest.raises(RuntimeError, match="ended with 5"):
        spent([sys.executable, "-c", "raise SystemExit(5)"], given, folder=tmp_path)
    assert told([sys.executable, "-c", "print(17)"], given) == 17
