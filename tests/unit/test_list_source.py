"""Where results go if nobody says so."""

from pathlib import Path

import pytest

from campaign.app.lists.list_source import results_path
from campaign.settings import IsolatedSettings


def named(source: str, name: str | None = None, *, results_file: bool = False) -> str:
    path = results_path(source, IsolatedSettings.read(name=name), results_file=results_file)
    assert path is not None
    return path.name


def test_results_are_beside_the_list_and_named_after_it() -> None:
    assert results_path("lists/promo.csv", IsolatedSettings.read()) == Path.cwd() / "lists" / "promo.results.csv"
    assert named("promo.csv.gz") == "promo.results.csv"
    assert named("promo.results.csv", results_file=True) == "promo.resumed.csv"
    assert named("-") == "stdin.results.csv"


def test_a_campaign_of_another_name_has_results_of_its_own() -> None:
    assert results_path("lists/promo.csv", IsolatedSettings.read(name="spring 25")) == Path.cwd() / "lists" / "spring 25.results.csv"
    assert named("promo.results.failed.csv", "spring", results_file=True) == "spring.results.csv"
    assert named("promo.csv", "promo") == "promo.results.csv"
    assert named("promo.results.csv", "promo", results_file=True) == "promo.resumed.csv"
    assert named("-", "spring") == "spring.results.csv"


@pytest.mark.parametrize("source", ["promo.csv", "-"])
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "a\\b", 'what? "no": <it> | *', "tab\tand\nline", "..", " .", "\x7f", "x" * 400, "ü" * 300]
)
def test_any_name_makes_a_file_name(name: str, source: str) -> None:
    path = results_path(source, IsolatedSettings.read(name=name))
    assert path is not None
    assert path.parent == Path.cwd()
    assert path.name.endswith(".results.csv")
    assert len(path.name.encode()) <= 230
    assert not set(path.name) & set('/\\:*?"<>|\t\n\x7f')
    assert not path.name.startswith(".")
