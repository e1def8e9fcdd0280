"""What people name: paths as they always were, URLs of stores, and nothing with a secret in it."""

from pathlib import Path

import pytest

from campaign.domain.errors import UsageError
from campaign.domain.lists.locations import ObjectUrl, parse_location, place_of, unexpanded_variable
from campaign.reporter.files.target import failed_path, same_file
from campaign.settings import IsolatedSettings, Settings
from tests.errors import raises


@pytest.mark.parametrize(
    "text",
    [
        "promo.csv",
        "/a/b.csv",
        "a:b.csv",
        "a:/b.csv",
        "C:/b.csv",
        "c://b.csv",
        "s3:",
        "s3:/bucket/b.csv",
        "://b.csv",
        "./s3://b/c.csv",
        "-",
        "",
    ],
)
def test_what_is_no_url_is_a_path(text: str) -> None:
    assert place_of(text) == Path(text)


@pytest.mark.parametrize(
    ("path", "variable"),
    [
        ("$HOME/it.db", "$HOME"),
        ("/srv/${HOME}/it.db", "${HOME}"),
        ("${HOME:-/root}/it.db", "${HOME:-/root}"),
        ("$(LEDGER)", "$(LEDGER)"),
        ("a-$_x1.csv", "$_x1"),
        ("$env:USERPROFILE", "$env"),
        ("%USERPROFILE%\\it.db", "%USERPROFILE%"),
        ("it%date%.db", "%date%"),
        ("$HOME/${OTHER}", "$HOME"),
        ("`pwd`/it.db", "`pwd`"),
        ("/srv/`id -un`.db", "`id -un`"),
        ("$(cat $(pwd)/x)/it.db", "$(cat $(pwd)"),
        ("$((1+1)).db", "$((1+1))"),
        ("$(date +%F", "$(date +%F"),
        ("${HOME/it.db", "${HOME/it.db"),
        ("Mary`s list.csv", ""),
        ("/var/lib/campaign/it.db", ""),
        ("~/it.db", ""),
        ("5$.csv", ""),
        ("US$ 5.csv", ""),
        ("$5.csv", ""),
        ("10% off.csv", ""),
        ("a%20b%20c.csv", ""),
        ("caf%C3%A9.csv", ""),
        ("%h/it.db", ""),
        ("{date}.csv", ""),
    ],
)
def test_a_variable_that_no_shell_has_replaced_is_found(path: str, variable: str) -> None:
    assert unexpanded_variable(path) == variable


@pytest.mark.parametrize("text", ["s3://shop/$DAY/promo.csv", "gs://shop/${DAY}.csv", "az://lists/%DAY%.csv"])
def test_a_url_with_a_variable_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="DAY"):
        place_of(text)


def test_a_container_of_azure_may_begin_with_a_dollar() -> None:
    assert str(place_of("abfss://$web@shop.dfs.core.windows.net/promo.csv")) == "abfss://$web@shop.dfs.core.windows.net/promo.csv"


@pytest.mark.parametrize(
    ("text", "store", "bucket", "key"),
    [
        ("s3://shop/promo.csv", "s3", "shop", "promo.csv"),
        ("S3://shop.example/a//b/Größe 1 #2.csv", "s3", "shop.example", "a//b/Größe 1 #2.csv"),
        ("gs://shop_1/a/promo.csv", "gs", "shop_1", "a/promo.csv"),
        ("gcs://shop/promo-?.[ct]sv", "gs", "shop", "promo-?.[ct]sv"),
        ("az://lists/a@b.csv", "az", "lists", "a@b.csv"),
        ("abfss://lists@shop.dfs.core.windows.net/a/promo.csv", "az", "lists@shop.dfs.core.windows.net", "a/promo.csv"),
    ],
)
def test_urls_of_stores(text: str, store: str, bucket: str, key: str) -> None:
    url = place_of(text)
    assert isinstance(url, ObjectUrl)
    assert (url.store, url.bucket, url.key) == (store, bucket, key)
    assert str(url) == text.replace("S3:", "s3:")
    assert place_of(url) is url


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAXX:hunter2@shop/promo.csv",
        "s3://AKIAXX:hunter2/more@shop/promo.csv",
        "s3://hunter2@shop/promo.csv",
        "s3://:hunter2@shop",
        "gs://hunter2@shop/promo.csv",
        "az://lists:hunter2@shop.dfs.core.windows.net/promo.csv",
        "az://lists/promo.csv?sv=1&sig=hunter2",
        "s3://shop/promo.csv?X-Amz-Signature=hunter2",
        "s3://shop/promo.csv?versionId=hunter2",
        "az://lists/promo.csv#hunter2",
        "https://me:hunter2@shop.example/promo.csv",
        "file:///hunter2.csv",
        "s3://shop/hunter2.csv::s3://shop/promo.csv",
        "s3://hunter2",
        "s3://hunter2/",
        "s3:///hunter2.csv",
        "s3://shop/hunter2/",
        "s3://shop/hunter2\n.csv",
        "s3://*/hunter2.csv",
    ],
)
def test_other_urls_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_location(text)
    said = str(caught.value)
    assert "hunter" not in said
    assert said.endswith(".")
    with raises(UsageError, "bad_value", option="--results") as caught:
        IsolatedSettings.read(results=text)
    assert "hunter" not in str(caught.value)


def test_what_stands_beside_an_object() -> None:
    url = parse_location("s3://shop/a/promo.csv")
    assert str(failed_path(url)) == "s3://shop/a/promo.failed.csv"
    assert str(failed_path(parse_location("s3://shop/promo.tar.csv"))) == "s3://shop/promo.tar.failed.csv"
    assert str(url.parent) == "s3://shop/a"
    assert (url.name, url.stem, url.suffix, url.absolute()) == ("promo.csv", "promo", ".csv", url)


def test_an_object_is_itself_whatever_its_store_is_called() -> None:
    assert same_file(parse_location("az://lists/promo.csv"), parse_location("abfs://lists/promo.csv"))
    assert not same_file(parse_location("s3://lists/promo.csv"), parse_location("gs://lists/promo.csv"))
    assert not same_file(parse_location("s3://lists/promo.csv"), parse_location("s3://lists/Promo.csv"))
    assert not same_file(Path("promo.csv"), parse_location("s3://lists/promo.csv"))
    assert not same_file(parse_location("s3://lists/promo.csv"), Path("promo.csv"))


def test_settings_take_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPAIGN_RESULTS", "s3://shop/results.csv")
    monkeypatch.setenv("CAMPAIGN_EXCLUDE", "a.csv:s3://shop/b.csv:/c.csv:gs://shop/d.csv:az://e/f.csv")
    settings = Settings.read()
    assert settings.results == parse_location("s3://shop/results.csv")
    assert [str(place) for place in settings.exclude] == ["a.csv", "s3://shop/b.csv", "/c.csv", "gs://shop/d.csv", "az://e/f.csv"]
    assert Settings.read(results=Path("here.csv"), exclude=["s3://shop/b.csv"]).results == Path("here.csv")
    assert Settings.read(exclude=["s3://shop/b.csv"]).exclude == (parse_location("s3://shop/b.csv"),)
