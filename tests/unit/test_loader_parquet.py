"""Parquet files: every type as text, and files that are no list."""

import datetime as dt
import decimal
import io
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.lists.pass_ids import check_pass_id
from campaign.domain.model import Invalid
from campaign.loader.formats.file_format import PARQUET
from campaign.loader.limits import CELL_CHARACTERS
from campaign.loader.table import open_table
from tests.unit.loader_given import measure, read, reading_here, refused

NOON = dt.datetime(2026, 7, 2, 12, 30, 5)  # noqa: DTZ001 - a time without a zone is meant
OPTIONS = [{"use_dictionary": True, "compression": "zstd"}, {"use_dictionary": False, "compression": "none"}]
UUID = uuid.UUID("6f3c2a50-1111-4222-8333-444455556666")


@pytest.fixture(autouse=True)
def _here() -> Iterator[None]:
    with reading_here():
        yield


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array(["0017", " x ", "", None]), ["0017", " x ", "", ""]),
        (pa.array(["a", None], pa.large_string()), ["a", ""]),
        (pa.array(["a", None], pa.string_view()), ["a", ""]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", "", "a"]),
        (pa.array([1, 2**63 - 1, -5, None]), ["1", "9223372036854775807", "-5", ""]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([7, None], pa.int8()).dictionary_encode(), ["7", ""]),
        (
            pa.array([1.0, -0.5, 1e14, 1e15, 1234567890123456.0, 1e-5, None]),
            ["1", "-0.5", "100000000000000", "1E+15", "1.23457E+15", "1e-05", ""],
        ),
        (pa.array([float("nan"), float("inf"), -0.0]), ["", "inf", "0"]),
        (pa.array([0.1, 3.0, None], pa.float32()), ["0.1", "3", ""]),
        (pa.array([np.float16(0.1), None], pa.float16()), ["0.1", ""]),
        (pa.array([True, False, None]), ["true", "false", ""]),
        (pa.array([decimal.Decimal("1000.50"), None], pa.decimal128(10, 2)), ["1000.50", ""]),
        (pa.array([decimal.Decimal("12E5")], pa.decimal256(40, 0)), ["1200000"]),
        (pa.array([dt.date(2026, 7, 2), None]), ["2026-07-02", ""]),
        (pa.array([dt.date(2026, 7, 2)], pa.date64()), ["2026-07-02"]),
        (pa.array([10**6], pa.date32()), ["4707-11-29"]),
        (pa.array([NOON, None], pa.timestamp("s")), ["2026-07-02T12:30:05", ""]),
        (pa.array([NOON.replace(microsecond=120_000)], pa.timestamp("ns")), ["2026-07-02T12:30:05.12"]),
        (pa.array([NOON], pa.timestamp("us", "UTC")), ["2026-07-02T12:30:05+00:00"]),
        (pa.array([NOON, None], pa.timestamp("ns", "Europe/Berlin")), ["2026-07-02T14:30:05+02:00", ""]),
        (pa.array([10**14], pa.timestamp("s")), ["3170843-11-07T09:46:40"]),
        (pa.array([dt.time(9, 5), None]), ["09:05:00", ""]),
        (pa.array([dt.time(9, 5)], pa.time32("s")), ["09:05:00"]),
        (pa.array([1], pa.time64("ns")), ["00:00:00"]),
        (pa.array([dt.timedelta(hours=30), None]), ["PT108000S", ""]),
        (pa.array([b"abc", None]), ["abc", ""]),
        (pa.array(["ä".encode()], pa.large_binary()), ["ä"]),
        (pa.array([b"abcd"], pa.binary(4)), ["abcd"]),
        (pa.array([UUID.bytes, None], pa.uuid()), [str(UUID), ""]),
        (pa.array(['{"a": 1}'], pa.json_()), ['{"a": 1}']),
        (pa.nulls(2), ["", ""]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array | pa.ExtensionArray) else "",
)
def test_every_type_becomes_text(tmp_path: Path, array: pa.Array, texts: list[str]) -> None:
    path = write(tmp_path / "list.parquet", {"id": pa.array([str(number) for number in range(len(array))]), "value": array})
    assert [row[1] for row in read(path)[1]] == texts


def test_old_timestamps_of_96_bits_may_be_after_2262(tmp_path: Path) -> None:
    far = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - (same)
    path = write(tmp_path / "list.parquet", {"t": pa.array([far], pa.timestamp("us"))}, use_deprecated_int96_timestamps=True)
    assert read(path)[1] == [("9999-12-31T23:59:59",)]


def test_an_id_that_was_a_float_is_seen_to_be_mangled(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", {"pass_id": pa.array([1234567890123456789.0])})
    assert check_pass_id(read(path)[1][0][0])[1] is Invalid.MANGLED_ID


@given(
    st.lists(st.tuples(st.text(), st.text()).filter(any), min_size=1),
    st.integers(1, 4),
    st.sampled_from(["1.0", "2.0"]),
    st.sampled_from(OPTIONS),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], group: int, version: str, options: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.parquet"
    columns = {"id": pa.array([row[0] for row in rows]), "näme": pa.array([row[1] for row in rows])}
    write(path, columns, row_group_size=group, data_page_version=version, **options)
    assert read(path) == (("id", "näme"), rows)


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_every_usual_way_to_write_one_is_read(tmp_path: Path, compression: str, encoding: str) -> None:
    rows = [(f"{number:07}", f"Anna {number % 7}") for number in range(20_000)]
    columns = {"id": [row[0] for row in rows], "name": [row[1] for row in rows]}
    options = {"use_dictionary": False, "column_encoding": {"id": encoding, "name": encoding}, "write_page_checksum": True}
    path = write(tmp_path / "list.parquet", columns, compression=compression, data_page_size=4096, row_group_size=9_000, **options)
    assert read(path)[1] == rows


def test_a_large_dictionary_does_not_make_the_batches_small(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", {"id": [f"{number:040x}" for number in range(20_000)]})
    with open_table(path) as table:
        assert [len(frame) for frame in table.frames()] == [20_000]
        assert (table.format, table.head.description) == (PARQUET, "Parquet, 1 row group")


def test_a_long_value_of_a_dictionary_that_no_row_has_refuses_nothing(tmp_path: Path) -> None:
    values = pa.array(["a", "x" * (CELL_CHARACTERS + 1), "b"])
    names = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2], pa.int32()), values)
    _, rows = read(write(tmp_path / "list.parquet", {"id": ["1", "2", "3"], "name": names}))
    assert rows == [("1", "b"), ("2", "a"), ("3", "b")]
    used = pa.DictionaryArray.from_arrays(pa.array([2, 0, 1], pa.int32()), values)
    error = refused(write(tmp_path / "long.parquet", {"id": ["1", "2", "3"], "name": used}))
    assert (error.row, error.code) == (3, "long_value")


def test_columns_without_a_name_are_left_out_if_they_are_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "list.parquet", {"id": ["1", "2"], " ": ["", None], " name ": ["a", "b"]})
    assert read(path) == (("id", "name"), [("1", "a"), ("2", "b")])
    error = refused(write(tmp_path / "other.parquet", {"id": ["1", "2"], " ": ["", "x"]}))
    assert (error.row, error.line, error.code) == (2, None, "unnamed_column")


@pytest.mark.parametrize(
    ("columns", "row", "column", "code"),
    [
        ({"id": ["1"] * 6_000, "text": ["x"] * 5_500 + ["x" * 131_073] + ["x"] * 499}, 5_501, "text", "long_value"),
        ({"id": pa.array(["1"]), "id ": pa.array(["2"])}, None, "id", "repeated_column"),
        ({"id": pa.array([], pa.string())}, None, None, "no_rows"),
        ({" ": ["1"]}, None, None, "no_header"),
        ({f"c{number}": ["1"] for number in range(1_001)}, None, None, "too_many_columns"),
    ],
)
def test_the_place_is_named(tmp_path: Path, columns: dict[str, Any], row: int | None, column: str | None, code: str) -> None:
    error = refused(write(tmp_path / "list.parquet", columns))
    assert (error.row, error.column) == (row, column)
    assert error.code == code


def test_text_that_is_no_utf_8_is_refused_with_its_row(tmp_path: Path) -> None:
    raw = pa.array([b"good"] * 9 + [b"b\xffd"])
    wrong = pa.StringArray.from_buffers(10, raw.buffers()[1], raw.buffers()[2])
    error = refused(write(tmp_path / "list.parquet", {"id": wrong}, use_dictionary=False, write_statistics=False))
    assert (error.row, error.column) == (10, "id")


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"ROWS": 99}, "too_many_rows"),
        ({"COLUMNS": 1}, "too_many_columns"),
        ({"ROW_GROUPS": 9}, "too_many_row_groups"),
        ({"UNPACKED_BYTES": 1_000}, "too_much_to_unpack"),
        ({"FILE_BYTES": 100}, "file_too_large"),
    ],
)
def test_a_list_may_not_be_larger_than_the_limits(tmp_path: Path, limits: dict[str, int], code: str) -> None:
    path = write(tmp_path / "list.parquet", {"id": [f"{number:03}" for number in range(100)], "x": ["y"] * 100}, row_group_size=10)
    assert refused(path, limits=limits).code == code


def written(columns: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = written({"id": ["1", "2"], "name": ["a", "b"]})
    path = tmp_path / "list.parquet"
    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        refused(path)
    path.write_bytes(data[: len(data) // 2] + data[-12:])
    refused(path)


def test_nested_values_become_json(tmp_path: Path) -> None:
    columns = {
        "id": ["1", "2"],
        "tags": [["a", "ä"], None],
        "place": [{"at": NOON, "n": decimal.Decimal("1.50")}, {"at": None, "n": None}],
        "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        "raw": [[b"x", b"\xff"], []],
    }
    assert read(write(tmp_path / "list.parquet", columns))[1] == [
        ("1", '["a","ä"]', '{"at":"2026-07-02T12:30:05","n":"1.50"}', '{"k":1}', '["x","ff"]'),
        ("2", "", '{"at":null,"n":null}', "{}", "[]"),
    ]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"a", b"b", b"\xff"]),
        pa.array([b"\xff\xfe", b"ab", None], pa.binary(2)),
        pa.array([b"a", b"b", b"\xff"], pa.large_binary()),
        pa.array([["a"], None, ["x" * 131_073]]),
    ],
)
def test_a_column_that_can_not_be_text_is_left_out_and_named(tmp_path: Path, column: pa.Array) -> None:
    path = write(tmp_path / "list.parquet", {"photo": column, "id": ["1", "2", "3"], "a.b": ["x", "y", "z"]})
    assert read(path) == (("id", "a.b"), [("1", "x"), ("2", "y"), ("3", "z")])
    with open_table(path) as table:
        assert table.head.left_out == ("photo",)
        assert "“photo”" in table.head.description


def test_a_header_row_is_not_for_parquet(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "list.parquet", {"id": ["1"]}), header_row=1).code == "header_row_not_possible"


def test_a_damaged_page_is_found_by_its_checksum(tmp_path: Path) -> None:
    columns = {"id": ["aaaa", "bbbb"]}
    data = bytearray(written(columns, write_page_checksum=True, compression="none", use_dictionary=False, write_statistics=False))
    assert data.count(b"bbbb") == 1
    data[data.index(b"bbbb")] ^= 1
    path = tmp_path / "list.parquet"
    path.write_bytes(data)
    assert refused(path).code == "damaged_file"


@pytest.mark.slow
def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    peaks = []
    for rows in (20_000, 700_000):
        columns = {"pass_id": [f"{row:040x}" for row in range(rows)], "name": ["Zoë"] * rows}
        said, megabytes = measure(write(tmp_path / f"{rows}.parquet", columns, row_group_size=rows))
        assert said == str(rows)
        peaks.append(megabytes)
    assert peaks[1] - peaks[0] < 30  # the larger list has 32 MB of text, in one row group
