"""A company's network: everything goes through a proxy, certificates are the company's own, and things break on the way."""

import json
import random
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest

from campaign.domain.failure_guard import LOGINS_REFUSED
from tests.acceptance.desk import Desk
from tests.authority import Authority
from tests.corporate import LOGIN, LOGIN_IN_URL, PASSES, ConnectProxy, Fate, Office, Tunnel, office
from tests.examples import slow_after

MESSAGE = ("--message", "Hi {{ first_name }}")
RUN = ("run", "list.csv", *MESSAGE)
TOKEN = "a-token-for-the-simulator"

Opening = Callable[[ConnectProxy], AbstractContextManager[Office]]


@pytest.fixture
def opened(desk: Desk) -> Opening:
    """A network around the desk's simulator, which its commands reach by https alone."""
    authority = Authority.in_folder(desk.folder)
    port = urlsplit(desk.simulator.url).port
    assert port is not None
    desk.environment["CAMPAIGN_CA_FILE"] = str(authority.file)

    def open_it(proxy: ConnectProxy) -> AbstractContextManager[Office]:
        return office(proxy, port=port, tls=authority.server())

    return open_it


def events(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def named(log: str, name: str) -> list[dict[str, Any]]:
    return [event for event in events(log) if event["event"] == name]


def sent_once(desk: Desk, rows: int) -> None:
    assert {name: len(texts) for name, texts in desk.sent().items()} == {f"pass-{row:05}": 1 for row in range(1, rows + 1)}


class TestProxy:
    @pytest.mark.slow
    def test_the_environment_names_it_as_it_does_for_other_tools(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(40)
        with opened(ConnectProxy(login=LOGIN)) as network:
            proxy = network.proxy.url.replace("://", f"://{LOGIN_IN_URL}@")
            done = desk.run(*RUN, "--json", "--log-level", "debug", HTTPS_PROXY=proxy, PASSENTRY_API_URL=network.api)
            tunnels = network.proxy.tunnels
        assert json.loads(done.stdout)["by_status"]["delivered"] == 40
        sent_once(desk, 40)
        assert {tunnel.line for tunnel in tunnels} == {f"CONNECT {network.api.removeprefix('https://')} HTTP/1.1"}
        [told] = named(done.stderr, "connecting")
        assert (told["proxy"], told["proxy_from"]) == (network.proxy.url, "HTTPS_PROXY")
        assert TOKEN.encode() not in network.proxy.received
        secrets = (LOGIN[1].encode(), LOGIN_IN_URL.encode(), LOGIN_IN_URL.partition(":")[2].encode())
        for content in (
            done.stdout.encode(),
            done.stderr.encode(),
            *(path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()),
        ):
            assert not any(secret in content for secret in secrets)

    def test_hosts_that_need_none_are_reached_directly(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(5)
        with opened(ConnectProxy()) as network:
            desk.run(*RUN, https_proxy=network.proxy.url, NO_PROXY="example.com,localhost", PASSENTRY_API_URL=network.api)
            assert network.proxy.tunnels == []
        sent_once(desk, 5)

    def test_options_name_it_for_sending_reading_back_and_what_comes_later(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(6)
        with opened(ConnectProxy()) as network:
            del desk.environment["CAMPAIGN_CA_FILE"]
            way = ("--proxy", network.proxy.url, "--ca-file", "ca.pem")
            desk.environment["PASSENTRY_API_URL"] = network.api
            desk.simulator.set_faults(faults={"cut_after": 1.0})
            desk.run(*RUN, *way, "--on-unknown", "hold", "--limit", "3", code=5)
            tunnels = len(network.proxy.tunnels)
            desk.simulator.set_faults(faults={})
            found = desk.json("verify", "list", *way, code=5)
            assert found["by_status"]["accepted"] == 3
            assert len(network.proxy.tunnels) > tunnels
            desk.run("resume", "list", *way)
        sent_once(desk, 6)

    def test_a_job_may_name_it_but_not_whom_to_trust(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(3)
        job = desk.folder / "offer.toml"
        with opened(ConnectProxy()) as network:
            desk.environment["PASSENTRY_API_URL"] = network.api
            job.write_text(f'list = "list.csv"\nmessage = "Hi"\nproxy = "{network.proxy.url}"\n', encoding="utf-8")
            desk.run("run", "offer.toml")
            assert network.proxy.tunnels
            job.write_text('list = "list.csv"\nmessage = "Hi"\nca_file = "ca.pem"\n', encoding="utf-8")
            desk.run("run", "offer.toml", code=2)
        sent_once(desk, 3)


class TestBreaks:
    """Whatever breaks on the way, nobody gets a message twice, and everybody gets one."""

    def test_answers_that_the_proxy_loses_are_read_back(self, desk: Desk, opened: Opening) -> None:
        draw = random.Random(12)
        lost: list[int] = []

        def fate(tunnel: Tunnel) -> Fate:
            if tunnel.number > 1 and draw.random() >= 0.4:
                return PASSES
            lost.append(tunnel.number)
            return Fate(loses_answer=draw.randint(1, 4))

        desk.make_list(60)
        with opened(ConnectProxy(fate)) as network:
            found = desk.json(*RUN, HTTPS_PROXY=network.proxy.url, PASSENTRY_API_URL=network.api)
        assert lost
        assert found["by_status"]["accepted"] > 0
        assert found["by_status"]["accepted"] + found["by_status"]["delivered"] == 60
        sent_once(desk, 60)

    @pytest.mark.slow
    def test_tunnels_that_break_anywhere(self, desk: Desk, opened: Opening) -> None:
        draw = random.Random(4)

        def fate(_: Tunnel) -> Fate:
            kind = draw.randrange(6)
            if kind == 0:
                return Fate(cut_after=draw.randrange(2500))
            if kind == 1:
                return Fate(answer=draw.choice([None, b"HTTP/1.1 503 No\r\n\r\n", b"HTTP/1.1 200 Con"]))
            return Fate(loses_answer=draw.randint(0, 3))

        desk.make_list(80)
        with opened(ConnectProxy(fate)) as network:
            words = ("--max-attempts", "50", "--rate", "100")
            found = desk.json(*RUN, *words, code=None, HTTPS_PROXY=network.proxy.url, PASSENTRY_API_URL=network.api)
        assert max(map(len, desk.sent().values())) == 1
        assert found["by_status"]["accepted"] + found["by_status"]["delivered"] + found["by_status"]["unknown"] == 80
        # Those that no reading got through for are read when it is whole again.
        with opened(ConnectProxy()) as network:
            desk.run("verify", "list", code=None, HTTPS_PROXY=network.proxy.url, PASSENTRY_API_URL=network.api)
            desk.run("resume", "list", HTTPS_PROXY=network.proxy.url, PASSENTRY_API_URL=network.api)
        sent_once(desk, 80)


class TestTold:
    """What stands in the way is said at once."""

    @pytest.mark.parametrize("login", slow_after(1, ["", f"{LOGIN_IN_URL}@"]), ids=["none", "another"])
    def test_a_login_that_the_proxy_does_not_accept_ends_the_run(self, desk: Desk, opened: Opening, login: str) -> None:
        desk.make_list(200)
        with opened(ConnectProxy(login=("other", "person"))) as network:
            proxy = network.proxy.url.replace("://", f"://{login}")
            done = desk.run(*RUN, "--json", code=4, HTTPS_PROXY=proxy, PASSENTRY_API_URL=network.api)
            assert len(network.proxy.tunnels) == LOGINS_REFUSED
        assert json.loads(done.stdout)["by_status"]["pending"] == 200
        assert [told["reason"] for told in named(done.stderr, "unreachable")] == ["proxy_auth"]
        assert "407" in named(done.stderr, "run_ended")[0]["why"]
        assert desk.sent() == {}
        with opened(ConnectProxy(login=LOGIN)) as network:
            proxy = network.proxy.url.replace("://", f"://{LOGIN_IN_URL}@")
            desk.run("resume", "list", HTTPS_PROXY=proxy, PASSENTRY_API_URL=network.api)
        sent_once(desk, 200)

    @pytest.mark.parametrize(
        "words",
        [
            (*RUN, "--rate", "unlimited", "--yes"),
            (*RUN, "--only-reachable", "--yes"),
            ("check", *RUN[1:], "--reach"),
        ],
        ids=["unlimited", "only_reachable", "reach"],
    )
    def test_no_command_asks_so_often_that_the_user_is_locked_out(self, desk: Desk, opened: Opening, words: tuple[str, ...]) -> None:
        desk.make_list(300)
        with opened(ConnectProxy(login=("other", "person"))) as network:
            proxy = network.proxy.url.replace("://", f"://{LOGIN_IN_URL}@")
            done = desk.run(*words, code=4, HTTPS_PROXY=proxy, PASSENTRY_API_URL=network.api)
            assert len(network.proxy.tunnels) == LOGINS_REFUSED
        assert "407" in done.stderr
        assert desk.sent() == {}

    def test_what_a_run_can_not_reach_is_among_its_first_lines(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(30)
        with opened(ConnectProxy(lambda _: Fate(answer=b"HTTP/1.1 403 No\r\n\r\n"))) as network:
            way = {"PASSENTRY_API_URL": network.api}
            for environment, reason in (
                ({"HTTPS_PROXY": network.proxy.url}, "proxy_refused"),
                ({"HTTPS_PROXY": "http://localhost:1"}, "proxy"),
                ({"CAMPAIGN_CA_FILE": ""}, "tls_unknown_ca"),
                ({"PASSENTRY_API_URL": network.api.replace("localhost", "127.0.0.1")}, "tls_name"),
                ({"PASSENTRY_API_URL": "https://campaign.invalid"}, "dns"),
                ({"PASSENTRY_API_URL": "https://localhost:1"}, "connect"),
            ):
                told = self.first_told(desk, *RUN, "--name", reason, **way | environment)
                assert (told["reason"], told["level"]) == (reason, "warning")
                assert told["detail"]
                assert told.get("proxy", "") == environment.get("HTTPS_PROXY", "")
        assert desk.sent() == {}

    @pytest.mark.slow
    def test_so_is_what_a_reading_can_not_reach(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(2)
        desk.simulator.set_faults(faults={"cut_after": 1.0})
        desk.run(*RUN, "--on-unknown", "hold", code=3)
        with opened(ConnectProxy(lambda _: Fate(answer=b"HTTP/1.1 403 No\r\n\r\n"))) as network:
            told = self.first_told(desk, "verify", "list", HTTPS_PROXY=network.proxy.url, PASSENTRY_API_URL=network.api)
        assert told["reason"] == "proxy_refused"

    @pytest.mark.slow
    def test_a_login_that_the_proxy_does_not_accept_ends_reading_back_like_a_run(self, desk: Desk, opened: Opening) -> None:
        desk.make_list(8)
        desk.simulator.set_faults(faults={"cut_after": 1.0})
        desk.run(*RUN, "--on-unknown", "hold", "--limit", "6", code=5)
        with opened(ConnectProxy(login=("other", "person"))) as network:
            done = desk.run("verify", "list", "--json", code=4, HTTPS_PROXY=network.proxy.url, PASSENTRY_API_URL=network.api)
            assert len(network.proxy.tunnels) == LOGINS_REFUSED
        assert [told["reason"] for told in named(done.stderr, "unreachable")] == ["proxy_auth"]
        assert "407" in named(done.stderr, "run_ended")[0]["why"]
        assert json.loads(done.stdout)["by_status"]["unknown"] == 6
        desk.run("verify", "list", code=5)
        sent_once(desk, 6)

    def first_told(self, desk: Desk, *words: str, **environment: str) -> dict[str, Any]:
        """What is first said of an API that can't be reached; the command is then told to end."""
        process = desk.start(*words, **environment)
        assert process.stderr is not None
        before: list[str] = []
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "unreachable":
                break
            before.append(event["event"])
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        # No pause came before it.
        assert not {"backing_off", "waiting"} & set(before)
        found: dict[str, Any] = event
        return found

    def test_a_mistake_is_refused_before_anything_is_staged(self, desk: Desk) -> None:
        desk.make_list(2)
        desk.run(*RUN, "--ca-file", "none.pem", code=2)
        desk.run(*RUN, "--ca-file", "list.csv", code=2)
        desk.run(*RUN, "--proxy", "socks5://localhost:1080", code=2)
        desk.run(*RUN, code=2, PASSENTRY_API_URL="https://localhost:1", ALL_PROXY="socks5h://localhost:1080")
        refused = desk.run(*RUN, "--proxy", "http://anna:S3cret@localhost:3128", code=2)
        assert "S3cret" not in refused.stderr
        assert not (desk.folder / "campaign.db").exists()
        assert desk.sent() == {}
