"""Ids that are one pass to a person: which are, in what they differ, and that they are found however many there are."""

import unicodedata
import uuid
from itertools import groupby

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.lists.near_ids import SMALL, Difference, are_near_keys, differences, is_of_a_spreadsheet, near_key, near_keys
from campaign.domain.lists.pass_ids import pass_key
from campaign.domain.model import Invalid, Outcome, StagedBatch, StagedRow
from campaign.domain.status import Status
from campaign.loader import repeats
from campaign.loader.repeats import NearIdFinder, NearIds

DASHED = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
UNDASHED = DASHED.replace("-", "")

NEAR = [
    (DASHED, UNDASHED, {Difference.DASHES}),
    (DASHED, UNDASHED.upper(), {Difference.DASHES, Difference.CASE}),
    (DASHED, f"{{{DASHED}}}", {Difference.DASHES}),
    (DASHED, f"urn:uuid:{DASHED}", {Difference.DASHES}),
    ("cafe-1", "CAFE-1", {Difference.CASE}),
    ("0123abcd", "0123ABCD", {Difference.CASE}),
    (unicodedata.normalize("NFC", "José-1"), unicodedata.normalize("NFD", "José-1"), {Difference.FORM}),
    ("loyal 1", "loyal\xa01", {Difference.UNSEEN}),
    ("loyal1", "loyal\xa01", {Difference.UNSEEN}),
    ("loyal1", "loyal\u200b1", {Difference.UNSEEN}),
    ("loyal1", "loy\xadal1", {Difference.UNSEEN}),
    ("loyal1", "loyal 1", {Difference.UNSEEN}),
    ("12345", "１２３４５", {Difference.FORM}),  # noqa: RUF001 - full-width digits are meant
    ("12345", "١٢٣٤٥", {Difference.FORM}),
    ("a-1", "a–1", {Difference.DASHES}),  # noqa: RUF001 - as a spreadsheet makes of it
    ("a-1", "a\u20111", {Difference.DASHES}),
    ("00123", "123", {Difference.ZEROS}),
    ("123.0", "123", {Difference.ZEROS}),
    ("ＡＢ 1", "ab1", {Difference.FORM, Difference.UNSEEN, Difference.CASE}),  # noqa: RUF001 - (same)
]
APART = [
    ("a-12", "a1-2"),
    ("a1", "a2"),
    ("1", "10"),
    ("0", "a"),
    ("0123456789012345", "123456789012345"),
    ("abc", "ábc"),
    (UNDASHED, UNDASHED[:-1]),
    ("12.5", "125"),
    ("a_1", "a-1"),
]


@pytest.mark.parametrize(("one", "other", "expected"), NEAR)
def test_near_ids(one: str, other: str, expected: set[Difference]) -> None:
    assert near_key(one) == near_key(other)
    assert set(differences(one, other)) == set(differences(other, one)) == expected


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_ids(one: str, other: str) -> None:
    assert near_key(one) != near_key(other)
    assert differences(one, other) == ()


LONG = "40120000123456789"


@pytest.mark.parametrize(
    ("saved", "own"),
    [
        ("123", "00123"),
        *((saved, LONG) for saved in (LONG, "4.01200E+16", "4,012e+16", "4E+16", "40120000123456700", "4.01200001234568E+16")),
    ],
)
def test_what_a_spreadsheet_makes_of_an_id(saved: str, own: str) -> None:
    assert is_of_a_spreadsheet(saved, own)


@pytest.mark.parametrize(
    ("other", "own"),
    [
        ("124", "00123"),
        ("4.02200E+16", LONG),
        ("4.01200E+15", LONG),
        ("40121000123456700", LONG),
        ("4.01200E+16", "40120000-123456789"),
        ("", LONG),
        ("123456", "123457"),
    ],
)
def test_what_it_makes_of_no_such_id(other: str, own: str) -> None:
    assert not is_of_a_spreadsheet(other, own)


IDS = st.one_of(
    st.sampled_from([text for one, other, _ in NEAR for text in (one, other)]),
    st.text(alphabet="0aA-１é\xa0 ", min_size=1, max_size=6),
    st.uuids().map(str),
    st.uuids().map(lambda found: found.hex),
    st.text(alphabet="0123456789", min_size=1, max_size=34),
    st.text(min_size=1, max_size=8),
)


@given(st.lists(IDS, max_size=30))
def test_many_at_once_are_as_each_by_itself(ids: list[str]) -> None:
    found, style = near_keys(ids)
    assert list(found) == list(map(near_key, ids))
    assert (found is ids) <= (list(found) == ids)
    assert not style or len(set(found)) == len(set(ids))


@given(st.lists(st.one_of(IDS, st.text(alphabet="0af-", min_size=14, max_size=20)), min_size=1, max_size=4))
def test_only_near_keys_are_known_by_their_characters_and_lengths(ids: list[str]) -> None:
    if are_near_keys("".join(ids).encode(), {len(text.encode()) for text in ids}):
        assert near_keys(ids) == (ids, SMALL)


STYLED = st.sampled_from(["0123456789", "abcdef0123456789", "ABCDEF0123456789", "aB0-"]).flatmap(
    lambda alphabet: st.lists(st.text(alphabet=alphabet, min_size=1, max_size=40), min_size=1, max_size=4)
)


@given(st.lists(STYLED, min_size=2, max_size=6))
def test_different_ids_of_one_style_are_never_near(batches: list[list[str]]) -> None:
    by_style: dict[str, set[str]] = {}
    for ids in batches:
        # Of one length they are of a style more often.
        for some in (ids, [text.rjust(35, text[0])[:35] for text in ids], [text.rjust(8, "0")[:8] for text in ids]):
            by_style.setdefault(near_keys(some)[1], set()).update(some)
    for style, texts in by_style.items():
        assert not style or len(set(map(near_key, texts))) == len(texts)


@given(st.lists(st.sampled_from([f"{DASHED[:-3]}{number}" for number in range(300, 320)]), min_size=1))
def test_usual_ids_are_not_even_copied(ids: list[str]) -> None:
    assert near_keys(ids) == (ids, SMALL)
    assert near_keys(ids)[0] is ids


def expected_of(listed: list[str], excluded: list[str]) -> NearIds:
    """The same without hashes, files and parts."""
    passes: dict[str, int] = {}
    for row, text in enumerate(listed, 1):
        if pass_key(text) not in set(map(pass_key, excluded)):
            passes.setdefault(pass_key(text), row)
    by_near = sorted((near_key(key), row) for key, row in passes.items())
    groups = sorted(group for _, found in groupby(by_near, key=lambda one: one[0]) if len(group := tuple(row for _, row in found)) > 1)
    beside = sorted(row for key, row in by_near if key in {near_key(pass_key(text)) for text in excluded})
    return NearIds(
        duplicates=sum(map(len, groups)),
        groups=tuple(group[: repeats.SHOWN] for group in groups[: repeats.SHOWN]),
        excluded=len(beside),
        excluded_rows=tuple(beside[: repeats.SHOWN]),
    )


def found_of(listed: list[str], excluded: list[str], *, size: int = 7) -> NearIds:
    with NearIdFinder() as finder:
        for first in range(0, len(listed), size):
            some = list(map(pass_key, listed[first : first + size]))
            finder.add(range(first + 1, first + 1 + len(some)), pa.array(some, pa.large_string()) if first % 2 else some)
        finder.exclude(list(map(pass_key, excluded)))
        return finder.found()


@given(st.lists(IDS, max_size=40), st.lists(IDS, max_size=10), st.integers(1, 9))
def test_what_is_found_is_what_there_is(listed: list[str], excluded: list[str], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "COMPARED_AT_ONCE", at_once)
        patch.setattr(repeats, "BLOCK_BYTES", 8 * at_once)
        patch.setattr(repeats, "HELD_BYTES", 64)
        assert found_of(listed, excluded) == expected_of(listed, excluded)


def test_of_a_hundred_thousand_only_those_that_are_near() -> None:
    listed = [str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128))) for number in range(1, 100_001)]
    listed[99_999] = listed[41].replace("-", "")
    listed[70_000] = listed[5]
    listed[80_000:80_003] = ["Loyal 7", "loyal7", "Loyal\xa07"]
    found = found_of(listed, [listed[3], listed[9].replace("-", "").upper(), "nobody"], size=5_000)
    assert found == NearIds(duplicates=5, groups=((42, 100_000), (80_001, 80_002, 80_003)), excluded=1, excluded_rows=(10,))


def test_every_id_may_be_unusual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "COMPARED_AT_ONCE", 1 << 10)
    listed = [f"SHOP-{number:07}" for number in range(20_000)]
    assert found_of(listed, [], size=5_000) == NearIds()
    assert found_of([*listed, "shop-0000007"], [], size=5_000).groups == ((8, 20_001),)


def test_rows_that_are_not_sent_are_near_to_none() -> None:
    def row(number: int, pass_id: str, status: Status) -> StagedRow:
        outcome = Outcome(status=status, reason=Invalid.MISSING_FIELD if status is Status.INVALID else "")
        return StagedRow(row=number, pass_id=pass_id, pass_key=pass_id, message="Hi", cells=(pass_id,), outcome=outcome)

    plain = StagedBatch(first=1, plain=(b"",), numbers=[1], pass_keys=["ab1"])
    batches = [plain, [row(2, "AB1", Status.INVALID), row(3, "AB 1", Status.SKIPPED), row(4, "Ab1", Status.DELIVERED)]]
    with NearIdFinder() as finder:
        assert list(finder.watching(batches)) == batches
        assert finder.found().groups == ((1, 4),)


def test_only_what_is_about_rows_to_send_is_found() -> None:
    ids = ["a1", "A1", "b1", "B1", "c1", "d1"]
    to_send = bytearray([0, 0, 0, 0, 1, 0, 1])
    with NearIdFinder() as finder:
        finder.add(range(1, 7), ids)
        finder.exclude(["C1", "D1"])
        every, some = finder.found(), finder.found(to_send)
    assert (every.groups, every.excluded_rows) == (((1, 2), (3, 4)), (5, 6))
    assert (some.duplicates, some.groups, some.excluded, some.excluded_rows) == (2, ((3, 4),), 1, (6,))
