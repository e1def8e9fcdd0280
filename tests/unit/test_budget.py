"""Whose rate and whose passes they are: two questions, with one answer only while no budget is named."""

import pytest
from pydantic import SecretStr

from campaign.app.campaign_settings import kept_of, remembered, utc_now
from campaign.app.sending.access import account_key, budget_key
from campaign.settings import IsolatedSettings

URL = "https://api.example.com"


def settings(*, key: str = "a", url: str = URL, budget: str = "") -> IsolatedSettings:
    return IsolatedSettings.read(api_key=SecretStr(key), api_url=url, budget=budget)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (settings(), settings(), True),
        (settings(), settings(key="b"), False),
        (settings(), settings(url="https://other.example.com"), False),
        (settings(budget="acme"), settings(key="b", budget="acme"), True),
        (settings(budget="acme"), settings(key="b", budget=" acme "), True),
        (settings(budget="acme"), settings(url=f"{URL}/", budget="acme"), True),
        (settings(budget="acme"), settings(budget="other"), False),
        (settings(budget="acme"), settings(url="https://other.example.com", budget="acme"), False),
        (settings(budget="acme"), settings(), False),
        # A name is never taken for a token.
        (settings(budget="a"), settings(key="a"), False),
    ],
)
def test_who_shares_a_rate(one: IsolatedSettings, other: IsolatedSettings, *, shared: bool) -> None:
    assert (budget_key(one) == budget_key(other)) is shared


def test_a_budget_does_not_change_whose_passes_they_are() -> None:
    assert account_key(settings(budget="acme")) == account_key(settings())
    assert account_key(settings(budget="acme")) != account_key(settings(key="b", budget="acme"))


def test_a_campaign_remembers_its_budget_until_another_is_given() -> None:
    kept = kept_of(remembered(settings(budget="acme"), now=utc_now(), own_zones=False))
    assert IsolatedSettings.read().with_fallback(kept).budget == "acme"
    assert IsolatedSettings.read(budget="other").with_fallback(kept).budget == "other"


def test_a_named_budget_needs_no_token_and_no_key_shows_one() -> None:
    assert budget_key(settings(key="", budget="acme"))
    assert "secret" not in budget_key(settings(key="secret")) + account_key(settings(key="secret"))
