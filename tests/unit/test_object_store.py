"""Objects fetched, found, put and removed, at a store on this machine."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from campaign import object_store
from campaign.app.results.owner import owner_of
from campaign.atomic import AtomicFile
from campaign.domain.errors import InputError, UsageError
from campaign.domain.lists.locations import ObjectUrl, place_of
from campaign.loader import limits
from campaign.loader.source import Source
from tests.acceptance.store import BUCKET, Relay, Store, serving
from tests.errors import raises

PARTS = 20 << 20
"""More than goes in a single request."""


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with serving() as store:
        yield store


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    server.empty()
    use(server.environment, monkeypatch)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return server


def use(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()


def url_of(key: str) -> ObjectUrl:
    url = place_of(f"s3://{BUCKET}/{key}")
    assert isinstance(url, ObjectUrl)
    return url


class TestFetching:
    def test_a_list_is_copied_for_its_owner_alone_and_removed(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "FILE_BYTES", 11)
        url = store.put("Größe 1.CSV", "pass_id\np1\n")
        source = Source.find(url)
        assert (source.name, source.suffix, source.is_stdin) == (url, ".csv", False)
        assert source.path.read_text(encoding="utf-8") == "pass_id\np1\n"
        assert stat.S_IMODE(source.path.stat().st_mode) == 0o600
        source.close()
        assert not source.path.exists()

    @pytest.mark.parametrize("content", ["pass_id\np1\n\n", ""])
    def test_one_that_is_refused_leaves_nothing(self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
        monkeypatch.setattr(limits, "FILE_BYTES", 11)
        url = store.put("promo.csv", content)
        with pytest.raises(InputError) as caught:
            Source.find(url)
        assert caught.value.file == url
        assert list(tmp_path.iterdir()) == []

    def test_one_that_is_replaced_meanwhile_is_refused(self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store.put("promo.csv", "pass_id\np1\n")
        get_file = S3FileSystem.get_file

        def get_and_replace(self: S3FileSystem, *words: object, **options: object) -> None:
            get_file(self, *words, **options)
            store.put("promo.csv", "pass_id\np2\n")

        monkeypatch.setattr(S3FileSystem, "get_file", get_and_replace)
        (tmp_path / "copy").touch()
        with raises(InputError, "changed_while_read"):
            object_store.fetch(url_of("promo.csv"), tmp_path / "copy", most_bytes=100)

    def test_the_first_lines_are_whole(self, store: Store, tmp_path: Path) -> None:
        store.put("promo.csv", "name\nÄnne\nÖrn\n")
        copy = tmp_path / "copy"
        object_store.fetch_head(url_of("promo.csv"), copy, most_bytes=12)
        assert copy.read_text(encoding="utf-8") == "name\nÄnne\n"
        object_store.fetch_head(url_of("promo.csv"), copy, most_bytes=100)
        assert copy.read_text(encoding="utf-8") == "name\nÄnne\nÖrn\n"

    def test_large_ones_come_whole(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * (PARTS // 256)
        store.put("promo.csv", content)
        copy = tmp_path / "copy"
        copy.touch(0o600)
        object_store.fetch(url_of("promo.csv"), copy, most_bytes=PARTS)
        assert copy.read_bytes() == content


class TestFinding:
    def test_a_pattern_means_what_it_means_for_paths(self, store: Store) -> None:
        for key in ("a/x-1.csv", "a/x-2.csv", "a/y-1.csv", "a/b/x-3.csv", "x-4.csv"):
            store.put(key, "pass_id\n")
        assert {found.url.key for found in object_store.matching(url_of("a/x-*.csv"))} == {"a/x-1.csv", "a/x-2.csv"}
        assert {found.url.key for found in object_store.matching(url_of("a/?-[12].csv"))} == {"a/x-1.csv", "a/x-2.csv", "a/y-1.csv"}
        assert {found.url.key for found in object_store.matching(url_of("**/x-*.csv"))} >= {"a/x-1.csv", "a/x-2.csv", "a/b/x-3.csv"}
        assert object_store.matching(url_of("a/z*")) == []

    @pytest.mark.parametrize("folder", ["", "a/"])
    def test_what_begins_as_a_name_does(self, store: Store, folder: str) -> None:
        for key in ("promo.csv", "promo.resumed.csv", "promo.resumed-2.XLSX", "promotion.csv", "pro.csv", "promo.d/x.csv", "b/promo.csv"):
            store.put(f"{folder}{key}", "pass_id\n")
        found = {url.key for url in object_store.named_like(url_of(f"{folder}promo"))}
        assert found == {f"{folder}promo.csv", f"{folder}promo.resumed.csv", f"{folder}promo.resumed-2.XLSX"}
        assert object_store.named_like(url_of("nothing/promo")) == []
        store.put(f"{folder}.hidden.csv", "pass_id\n")
        assert object_store.named_like(url_of(f"{folder}.hidden.csv").with_name("")) == []

    def test_when_it_was_written(self, store: Store) -> None:
        store.put("promo.csv", "pass_id\n")
        found = object_store.find(url_of("promo.csv"))
        assert found is not None
        assert found.written_ns == store.s3.head_object(Bucket=BUCKET, Key="promo.csv")["LastModified"].timestamp() * 1e9
        assert object_store.matching(url_of("promo.*")) == [found]
        assert object_store.find(url_of("promo")) is None
        store.put("folder/promo.csv", "pass_id\n")
        assert object_store.find(url_of("folder")) is None


class TestPutting:
    def test_a_draft_takes_the_place_of_an_object(self, store: Store, tmp_path: Path) -> None:
        store.put("results.csv", "old")
        with AtomicFile(url_of("results.csv")) as draft:
            draft.file.write(b"new")
            draft.sync()
            assert store.text("results.csv") == "old"
            draft.commit()
        assert store.text("results.csv") == "new"
        with AtomicFile(url_of("results.csv")) as draft:
            draft.remove_target()
            draft.remove_target()
        assert store.names() == []
        assert list(tmp_path.iterdir()) == []

    def test_a_draft_that_is_given_up_leaves_the_object(self, store: Store, tmp_path: Path) -> None:
        store.put("results.csv", "old")
        with AtomicFile(url_of("results.csv")) as draft:
            draft.file.write(b"new")
        assert store.text("results.csv") == "old"
        assert list(tmp_path.iterdir()) == []

    def test_large_ones_go_whole(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * (PARTS // 256)
        (tmp_path / "results").write_bytes(content)
        object_store.put(tmp_path / "results", url_of("results.csv"))
        assert store.get("results.csv") == content
        assert "-3" in store.s3.head_object(Bucket=BUCKET, Key="results.csv")["ETag"]  # three parts
        assert store.uploads() == []

    @pytest.mark.parametrize("fatal", [b"partNumber=2", b"<CompleteMultipartUpload"])
    def test_a_store_that_dies_between_the_parts_keeps_what_was_there(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fatal: bytes
    ) -> None:
        store.put("results.csv", "old")
        (tmp_path / "results").write_bytes(bytes(PARTS))
        with Relay(store=store, fatal=fatal) as relay:
            use(relay.environment | {"AWS_MAX_ATTEMPTS": "1"}, monkeypatch)
            with raises(UsageError, "store_failed"):
                object_store.put(tmp_path / "results", url_of("results.csv"))
            assert relay.died.is_set()
        assert store.text("results.csv") == "old"

    def test_of_two_that_create_one_object_the_first_does(self, store: Store) -> None:
        url = url_of("a/promo.sending")
        assert object_store.read(url) is None
        assert [object_store.create(url, content) for content in (b"first", b"second")] == [True, False]
        assert object_store.read(url) == store.get("a/promo.sending") == b"first"

    def test_whether_it_can_be_written_is_found_out_without_a_trace(self, store: Store) -> None:
        store.put("out/results.csv", "old")
        object_store.check_writable(url_of("out/results.csv"))
        assert store.names() == ["out/results.csv"]
        assert store.text("out/results.csv") == "old"


class TestWaiting:
    def test_a_store_that_never_answers_is_given_up(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(object_store, "PATIENCE_SECONDS", 0.5)
        with Relay(store=store, fatal=b"HEAD", silent=True) as relay:
            use(relay.environment, monkeypatch)
            with raises(InputError, "store_timeout"):
                object_store.find(url_of("promo.csv"))


class TestOwner:
    @pytest.mark.parametrize("name", ["results.csv", "results.jsonl", "results.parquet", "results.xlsx"])
    def test_what_is_not_there_or_no_results_file_is_nobodys(self, store: Store, name: str) -> None:
        assert owner_of(url_of(name)) == ""
        store.put(name, "pass_id\np1\n")
        assert owner_of(url_of(name)) == ""

    def test_what_can_not_be_read_may_be_anybodys(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        store.put("results.csv", "pass_id\np1\n")
        use({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, monkeypatch)
        with raises(InputError, "store_failed"):
            owner_of(url_of("results.csv"))
