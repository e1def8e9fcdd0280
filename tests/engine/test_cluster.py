"""What is said where there can be no cluster of Ray; nothing of it is loaded."""

import os
import socket
import sys

import pytest

from campaign.domain.errors import UsageError
from campaign.engine import cluster
from campaign.engine.sender import sender_of
from campaign.settings import Engine, IsolatedSettings
from tests.errors import raises


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray, as far as a look for it goes: these tests never come to load it."""
    monkeypatch.setattr(cluster, "find_spec", lambda _name: object())


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with raises(UsageError, "extra_missing", extra="ray"), sender_of(IsolatedSettings.read(engine="ray")):
        pass


@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(
    "address", ["ray://10.0.0.1:10001", "local", "", "10.0.0.1", ":6379", "host:port", "http://host:8265", "host:70000"]
)
def test_what_is_no_cluster_s_address_is_refused_and_ray_starts_no_open_one_in_its_place(address: str) -> None:
    settings = IsolatedSettings.read(engine="ray", address=address)
    with (
        raises(UsageError, "bad_value", option="--address"),
        sender_of(settings),
    ):
        pass
    assert "ray" not in sys.modules


@pytest.mark.usefixtures("ray")
def test_where_nobody_listens_it_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = IsolatedSettings.read(engine="ray", address=address)
        with raises(UsageError, "no_cluster", option="--address"), sender_of(settings):
            pass
    assert "ray" not in sys.modules


def test_without_an_engine_this_process_sends_and_ray_is_left_alone() -> None:
    before = dict(os.environ)
    settings = IsolatedSettings.read(address="10.0.0.1:6379")
    assert settings.engine is Engine.HERE
    with sender_of(settings) as sender:
        assert sender.__module__ == "campaign.app.sending.send"
    assert dict(os.environ) == before
    assert "ray" not in sys.modules
