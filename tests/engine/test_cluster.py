"""What is said where there can be no cluster of Ray; nothing of it is loaded."""

import os
import sys

import pytest

from campaign.domain.errors import UsageError
from campaign.engine.sender import sender_of
from campaign.settings import Engine, GivenSettings


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'campaign\[ray\]'"), sender_of(GivenSettings.read(engine="ray")):
        pass


def test_an_address_of_rays_client_is_refused() -> None:
    settings = GivenSettings.read(engine="ray", address="ray://10.0.0.1:10001")
    with pytest.raises(UsageError, match="not ray://"), sender_of(settings):
        pass


def test_without_an_engine_this_process_sends_and_ray_is_left_alone() -> None:
    before = dict(os.environ)
    settings = GivenSettings.read(address="10.0.0.1:6379")
    assert settings.engine is Engine.HERE
    with sender_of(settings) as sender:
        assert sender.__module__ == "campaign.app.sending"
    assert dict(os.environ) == before
    assert "ray" not in sys.modules
