"""The one module that knows the JSON and the CSV files of batches: what goes out, and what is made of whatever comes."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.batches import Delivery, Proof, RemoteBatch, RemoteState, Wording, proof_of
from campaign.sender.batches.wire import ReportError, Shape, create_body, read_answer, read_deliveries, read_errors

UUID = "6f3c2a50-1111-4222-8333-44445555666a"
LIMITED = {"x-rate-limit-limit": "10"}


def answer(document: Any, *, status: int = 200, **changes: Any) -> Any:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    values: dict[str, Any] = {
        "http_status": status,
        "headers": LIMITED,
        "body": body,
        "whole": True,
        "token": "secret-token-of-ours",
        "now": 0.0,
    }
    return read_answer(**values | changes)


def batch(**attributes: Any) -> dict[str, Any]:
    return {"id": "b-1", "type": "walletMessaging", "attributes": {"name": "June", "status": "scheduled"} | attributes}


class TestCreate:
    def test_texts_that_differ_are_variables(self) -> None:
        said = Wording(message="%{message}", texts=("One", "Two"))
        body = orjson.loads(create_body(said, ["a", "b"], name="n", tag="t", scheduled_at=1_900_000_000.9))
        assert body == {
            "batch": {
                "message": "%{message}",
                "recipients": [{"passId": "a", "message": "One"}, {"passId": "b", "message": "Two"}],
                "scheduledAt": "2030-03-17T17:46:40Z",
                "name": "n",
                "tag": "t",
            }
        }

    def test_other_names_can_be_set(self) -> None:
        shape = Shape.parse('{"recipients": "passes", "recipient_id": "id"}')
        body = orjson.loads(create_body(Wording(message="Hi", texts=None), ["a"], name="n", tag="t", scheduled_at=0.0, shape=shape))
        assert body["batch"]["passes"] == [{"id": "a"}]

    @pytest.mark.parametrize("text", ["x", "[]", '{"other": "x"}', '{"recipients": ""}', '{"recipients": ["a"]}', '{"id_columns": "a"}'])
    def test_a_shape_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="this"):
            Shape.parse(text)


class TestAnswer:
    def test_a_batch_alone_and_a_page_of_them(self) -> None:
        one = RemoteBatch(id="b-1", name="June", state=RemoteState.SCHEDULED)
        assert answer({"data": batch()}, status=202).batch == one
        page = answer({"data": [batch(), batch()], "meta": {"totalPages": 7}})
        assert (page.batches, page.pages, page.page) == ((one, one), 7, 0)
        assert answer({"data": [batch()], "meta": {"totalPages": 7, "currentPage": 2}}).page == 2
        assert answer({"data": []}).readable
        assert answer({"data": [], "meta": {"totalPages": 0}}).pages == 1
        assert answer({"data": [], "meta": {"totalPages": 3}}).pages == 3

    def test_an_answer_out_of_a_cache_shows_no_batch_and_not_that_there_is_none(self) -> None:
        # A batch that a kept list lacks would be created again, and both would be sent.
        documents: list[dict[str, Any]] = [{"data": batch()}, {"data": [batch()], "meta": {"totalPages": 1}}, {"data": []}]
        for document in documents:
            found = answer(document, headers=LIMITED | {"age": "30"})
            assert (proof_of(found), found.batches, found.readable) == (Proof.UNKNOWN, (), False)

    def test_addresses_of_files(self) -> None:
        found = answer({"data": batch(errorsCsvUrl="https://f/e", deliveryCsvUrl=None)}).batch
        assert (found.errors_url, found.deliveries_url) == ("https://f/e", "")

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"<html>",
            b'{"data": {"id": "b-1", "attri',
            {},
            {"data": None},
            {"data": "x"},
            {"data": batch(status="paused")},
            {"data": batch() | {"id": "../x"}},
            {"data": batch() | {"id": 5}},
            {"data": [batch(), {}], "meta": {"totalPages": 1}},
            {"data": [batch()]},
            {"data": [batch()], "meta": {"totalPages": "2"}},
            {"data": [], "errors": ["The search index is not available"]},
        ],
    )
    def test_what_is_no_batch_is_said_with_what_came(self, document: Any) -> None:
        found = answer(document)
        assert not found.readable
        assert found.error

    def test_a_status_that_is_not_known_is_named(self) -> None:
        assert "'paused'" in answer({"data": batch(status="paused")}).error

    def test_a_refusal_keeps_its_words_and_hides_the_token(self) -> None:
        found = answer({"errors": ["bad secret-token-of-ours"]}, status=422)
        assert (found.by_api, found.error) == (True, "bad ***")
        assert not answer(b"<html>blocked</html>", status=403, headers={}).by_api

    @given(st.binary(max_size=300), st.integers(100, 599), st.booleans())
    def test_no_bytes_make_it_raise(self, body: bytes, status: int, whole: bool) -> None:  # noqa: FBT001 - hypothesis gives it so
        answer(body, status=status, whole=whole)


class TestReport:
    def test_a_pass_is_found_by_either_id_and_a_uuid_in_any_case(self) -> None:
        content = f"\ufeffPass ID,ext-id,Status,detail\n{UUID.upper()},customer 1,delivered,ok\nAB-2,,failed,no\n".encode()
        report = read_deliveries(content)
        assert report.of(UUID) == report.of(UUID.upper()) == report.of("customer 1") == Delivery(status="delivered", detail="ok")
        assert report.of("AB-2") == Delivery(status="failed", detail="no")
        assert report.of("ab-2") is report.of("AB-3") is None

    @pytest.mark.parametrize(
        ("lines", "found"),
        [
            ("p,delivered\np,failed\n", "delivered"),
            ("p,failed\np,delivered\n", "delivered"),
            ("p,failed\np,notDelivered\np,delivered\n", "delivered"),
            ("p,failed\np,notDelivered\np,failed\n", None),
            ("p,failed\np,failed\n", "failed"),
        ],
    )
    def test_lines_that_contradict_each_other_never_say_that_a_pass_got_nothing(self, lines: str, found: str | None) -> None:
        delivery = read_deliveries(f"passId,status\n{lines}".encode()).of("p")
        assert (delivery.status if delivery else None) == found

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "none"),
            (b"pass_uuid,result\na,ok\n", "pass_uuid"),
            (b"passId,result\na,ok\n", "result"),
            (b"passId,status\na\nb,failed\n", "line 2"),
            (b"passId,status\na,\n", "no status"),
            (b'passId,status\n"a"b,delivered\n', "no CSV"),
            (b"passId,status\n\xff,delivered\n", "UTF-8"),
        ],
    )
    def test_a_file_that_is_not_as_assumed_is_refused_with_what_came(self, content: bytes, words: str) -> None:
        with pytest.raises(ReportError, match=words):
            read_deliveries(content)

    @pytest.mark.parametrize("end", [b"b,deliv", b"b", b'"b', b"b,", b'b,"failed\n'])
    def test_of_a_report_that_is_cut_short_the_whole_lines_count(self, end: bytes) -> None:
        report = read_deliveries(b"passId,status\na,delivered\n" + end)
        assert (report.of("a"), report.of("b")) == (Delivery(status="delivered"), None)

    def test_a_last_line_that_ends_with_an_id_may_end_with_half_of_one(self) -> None:
        report = read_deliveries(b"status,passId\ndelivered,p2\nfailed,p25")
        assert (report.of("p2"), report.of("p25")) == (Delivery(status="delivered"), None)

    @given(st.integers(0, 60))
    def test_half_a_report_never_says_anything_wrong(self, end: int) -> None:
        whole = b"passId,status\na,delivered\nb,notDelivered\nc,failed\nd,held\n"
        full = read_deliveries(whole)
        try:
            part = read_deliveries(whole[:end])
        except ReportError:
            return
        assert all(part.of(one) in {None, full.of(one)} for one in "abcd")

    def test_errors_need_no_status(self) -> None:
        report = read_errors(b"passId,error\na,Unknown pass\n")
        assert (report.of("a"), report.of("b")) == (Delivery(status="", detail="Unknown pass"), None)

    @given(st.binary(max_size=200))
    def test_no_bytes_make_it_raise_anything_else(self, content: bytes) -> None:
        with suppress(ReportError):
            read_deliveries(content)
