"""What goes in comes out: a DataFrame's values as the text that a list has."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import InputError
from campaign.loader.in_memory import as_source
from campaign.loader.table import open_table
from tests.api.lists import Stream


def read(rows: Any) -> dict[str, list[str]]:
    """The list's columns, as a run reads them."""
    with as_source(rows) as source, open_table(source) as table:
        frames = list(table.frames())
        return {name: [cell for frame in frames for cell in frame.iloc[:, place]] for place, name in enumerate(table.columns)}


def column(values: Any, **options: Any) -> list[str]:
    return read(pd.DataFrame({"x": pd.Series(values, **options), "pass_id": "a"}))["x"]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


class TestTypes:
    @given(st.lists(st.none() | TEXT, min_size=1, max_size=20))
    def test_text_is_as_it_was(self, values: list[str | None]) -> None:
        expected = [value or "" for value in values]
        assert column(values, dtype="str") == expected
        assert column(values, dtype=object) == expected
        assert column(values, dtype="category") == expected

    @given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
    def test_integers_are_exact(self, values: list[int]) -> None:
        expected = list(map(str, values))
        assert column(values, dtype="int64") == expected
        assert column(values, dtype=object) == expected
        assert column([*values, None], dtype="Int64") == [*expected, ""]

    @given(st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=20))
    def test_integers_that_a_missing_one_has_made_floats_have_no_fraction(self, values: list[int]) -> None:
        assert column([*values, None], dtype="float64") == [*map(str, values), ""]

    def test_of_floats_that_may_have_lost_digits_it_is_seen(self) -> None:
        assert column([1234567890123456789.0, None]) == ["1.23457E+18", ""]

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: not value.is_integer()), min_size=1, max_size=20))
    def test_fractions_are_the_same_number(self, values: list[float]) -> None:
        assert list(map(float, column(values))) == values
        assert list(map(float, column(values, dtype=object))) == values

    @given(st.lists(st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)), min_size=1, max_size=20))  # noqa: DTZ001 - drawn without a zone
    def test_times_are_iso_8601(self, values: list[dt.datetime]) -> None:
        for found in (column(values, dtype="datetime64[us]"), column(values, dtype=object)):
            assert [dt.datetime.fromisoformat(text) for text in found] == values
        zoned = column(pd.Series(values, dtype="datetime64[us]").dt.tz_localize("UTC"))
        assert [dt.datetime.fromisoformat(text).replace(tzinfo=None) for text in zoned] == values

    @given(st.lists(st.none() | st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1)), min_size=1, max_size=20))
    def test_times_that_are_all_dates_are_written_as_dates(self, values: list[dt.date | None]) -> None:
        expected = ["" if value is None else value.isoformat() for value in values]
        assert column(pd.to_datetime(pd.Series(values, dtype=object))) == expected
        assert column(values, dtype=object) == expected

    @pytest.mark.parametrize(
        ("values", "dtype", "expected"),
        [
            ([True, False], "bool", ["true", "false"]),
            ([True, None], "boolean", ["true", ""]),
            ([1, 0], pd.SparseDtype(int), ["1", "0"]),
            ([7, None], pd.CategoricalDtype([7]), ["7", ""]),
            (["é", None], pd.ArrowDtype(pa.string()), ["é", ""]),
            (["é", None], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())), ["é", ""]),
            ([Decimal("1.20"), Decimal("NaN")], object, ["1.20", ""]),
            ([0.1, 2.0], "float32", ["0.1", "2"]),
            ([["a", 1], {"b": None}], object, ['["a",1]', '{"b":null}']),
            ([["a"], None], pd.ArrowDtype(pa.list_(pa.string())), ['["a"]', ""]),
            ([UUID(int=1)], object, ["00000000-0000-0000-0000-000000000001"]),
            (["007", 7, 7.0, 7.5, True, None, np.nan, pd.NA, pd.NaT], object, ["007", "7", "7", "7.5", "true", "", "", "", ""]),
            ([np.int8(3), np.float32(0.5), np.bool_(0)], object, ["3", "0.5", "false"]),
            ([dt.datetime(2026, 7, 2, 18, tzinfo=dt.UTC), dt.time(9, 30)], object, ["2026-07-02T18:00:00+00:00", "09:30:00"]),
        ],
    )
    def test_each_type(self, values: list[Any], dtype: Any, expected: list[str]) -> None:
        assert column(values, dtype=dtype) == expected

    @pytest.mark.parametrize(
        ("values", "dtype"),
        [
            ([b"a"], object),
            ([object()], object),
            (["half \ud800"], object),
            ([1 + 2j], "complex128"),
            (pd.period_range("2026-01", periods=1, freq="M"), None),
        ],
    )
    def test_what_is_no_cell_is_refused_with_its_place(self, values: Any, dtype: Any) -> None:
        column_of = pd.Series([*([None] if dtype is object else []), *values], dtype=dtype)
        with pytest.raises(InputError) as error:
            read(pd.DataFrame({"pass_id": "a", "odd": column_of}))
        assert (error.value.code, error.value.column, error.value.row) == ("unsupported_value", "odd", len(column_of))


class TestShape:
    def test_a_named_index_is_a_column(self) -> None:
        frame = pd.DataFrame({"first_name": ["Ann"]}, index=pd.Index(["007"], name="pass_id"))
        assert read(frame) == {"pass_id": ["007"], "first_name": ["Ann"]}

    def test_an_index_without_a_name_is_none(self) -> None:
        assert read(pd.DataFrame({"pass_id": ["a", "b"]}, index=[5, 5])) == {"pass_id": ["a", "b"]}

    def test_the_same_name_twice_is_refused(self) -> None:
        with pytest.raises(InputError) as error:
            read(pd.DataFrame([["a", "b"]], columns=["pass_id", "pass_id"]))
        assert error.value.column == "pass_id"
        with pytest.raises(InputError) as error:
            read(pd.DataFrame({"pass_id": ["a"]}, index=pd.Index(["b"], name="pass_id")))
        assert (error.value.code, error.value.column) == ("repeated_column", "pass_id")

    def test_columns_of_several_levels_are_refused(self) -> None:
        with pytest.raises(InputError) as error:
            read(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])))
        assert error.value.code == "column_levels"

    @pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"pass_id": []}), pd.DataFrame({"": ["a"]})])
    def test_nothing_is_no_list(self, frame: pd.DataFrame) -> None:
        with pytest.raises(InputError):
            read(frame)

    def test_what_is_changed_later_changes_nothing(self) -> None:
        frame = pd.DataFrame({"pass_id": ["a"]})
        with as_source(frame) as source:
            frame["pass_id"] = "b"
            with open_table(source) as table:
                assert [frame["pass_id"].tolist() for frame in table.frames()] == [["a"]]

    def test_nothing_stays(self) -> None:
        with as_source(pd.DataFrame({"pass_id": ["a"]})) as source:
            assert source.path.stat().st_mode & 0o077 == 0
        assert not source.path.exists()


class TestStreams:
    TABLE = pa.table(
        {
            "pass_id": pa.array([f"00{row}" for row in range(10)], pa.string_view()),
            "points": pa.array([*range(9), None], pa.int64()),
            "tier": pa.array(["gold", None] * 5).dictionary_encode(),
            "shop": pa.DictionaryArray.from_arrays([0] * 10, pa.array(["x"], pa.string_view())),
            "until": pa.array([dt.date(2026, 12, 24)] * 10),
        }
    )

    @pytest.mark.parametrize("rows", [TABLE, TABLE.to_reader(), Stream(TABLE)], ids=["table", "reader", "once"])
    def test_a_table_of_any_library(self, rows: Any) -> None:
        assert read(rows) == {
            "pass_id": [f"00{row}" for row in range(10)],
            "points": [*map(str, range(9)), ""],
            "tier": ["gold", ""] * 5,
            "shop": ["x"] * 10,
            "until": ["2026-12-24"] * 10,
        }

    def test_one_column_is_no_table(self) -> None:
        with pytest.raises(InputError) as error:
            read(pa.chunked_array([["a"]]))
        assert error.value.code == "no_table"

    def test_a_type_that_no_file_has_is_refused(self) -> None:
        with pytest.raises(InputError) as error:
            read(pa.table({"pass_id": ["a"], "span": pa.array([None], pa.month_day_nano_interval())}))
        assert error.value.code == "unsupported_type"
