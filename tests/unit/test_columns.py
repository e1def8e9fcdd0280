"""Which column is which, and what can name a pass."""

import uuid
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from campaign.domain.errors import InputError
from campaign.domain.lists.columns import ID_NAMES, find_id_column, find_message_column, find_template_column, is_results_file, own_columns
from campaign.domain.lists.pass_ids import ID_CHARACTERS, check_pass_id, pass_key
from campaign.domain.model import RESULT_COLUMNS, Invalid

ordinary_ids = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1, max_size=40)


@pytest.mark.parametrize(
    "name", ["pass_id", "Pass ID", "PASS-ID", "passid", "id", "ID", "uuid", "Pass UUID", "ext_id", "extId", "external id"]
)
def test_the_id_column_is_found_by_its_name(name: str) -> None:
    assert find_id_column(["name", name, "city"], None) == 1


@pytest.mark.parametrize(
    ("columns", "asked", "position"),
    [
        (["pass_id", "Card No"], "Card No", 1),
        (["pass_id", "Card No"], "card-no", 1),
        (["ID", "id"], "id", 1),  # the exact name before a similar one
        (["id", "uuid"], "uuid", 1),
    ],
)
def test_a_column_can_be_asked_for(columns: list[str], asked: str, position: int) -> None:
    assert find_id_column(columns, asked) == position


@pytest.mark.parametrize(
    ("columns", "asked", "code"),
    [
        (["id", "name", "UUID"], None, "several_id_columns"),
        (["name", "city"], None, "missing_id_column"),
        (["name", "card no"], "card na", "unknown_column"),
        (["Card No", "card_no"], "CARD-NO", "several_id_columns"),
        ([f"c{number}" for number in range(30)], None, "missing_id_column"),
    ],
)
def test_an_id_column_that_is_not_clear_is_an_error(columns: list[str], asked: str | None, code: str) -> None:
    with pytest.raises(InputError) as caught:
        find_id_column(columns, asked, file="promo.csv")
    assert (caught.value.file, caught.value.code) == ("promo.csv", code)


def test_the_message_and_template_columns_are_found() -> None:
    columns = ["id", "Message", "tem plate"]
    assert (find_message_column(columns), find_template_column(columns)) == (1, 2)
    assert (find_message_column(["id"]), find_template_column(["id"])) == (None, None)
    with pytest.raises(InputError, match="Rename all but one"):
        find_message_column(["message", "MESSAGE"])


@given(st.permutations(RESULT_COLUMNS), st.lists(st.text(max_size=5), unique=True, max_size=5))
def test_a_results_file_is_known_by_its_columns_in_any_order(results: list[str], own: list[str]) -> None:
    columns = [*own, *results]
    assert is_results_file(columns)
    assert own_columns(columns) == tuple(range(len(own)))


@pytest.mark.parametrize("missing", RESULT_COLUMNS)
def test_a_results_file_that_lacks_a_column_is_neither(missing: str) -> None:
    columns = ["id", *(name for name in RESULT_COLUMNS if name != missing)]
    assert not is_results_file(columns)
    with pytest.raises(InputError, match=f"not “{missing}”"):
        own_columns(columns)


@pytest.mark.parametrize("spelt", [str.upper, str.title, lambda name: name.replace("_", " "), lambda name: f" {name}-"])
def test_a_results_file_in_another_spelling_is_no_new_list(spelt: Callable[[str], str]) -> None:
    with pytest.raises(InputError, match=r"as a results file has.*keep all its delivery_ columns as they are") as caught:
        own_columns(["id", *map(spelt, RESULT_COLUMNS)], file="promo.results.csv")
    assert str(caught.value).startswith("promo.results.csv, column “")


def test_one_column_that_only_resembles_a_results_one_is_the_lists_own() -> None:
    assert own_columns(["id", "Delivery Status"]) == (0, 1)
    assert own_columns(["id", "DELIVERY STATUS", *RESULT_COLUMNS]) == (0, 1)


def test_an_ordinary_list_has_only_its_own_columns() -> None:
    assert not is_results_file(["id", "name"])
    assert own_columns(["id", "name"]) == (0, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Invalid.NO_ID),
        (" \xa0\u200b\ufeff", Invalid.NO_ID),
        ("1.23E+15", Invalid.MANGLED_ID),
        ("1,23E+15", Invalid.MANGLED_ID),
        ("1E+15", Invalid.MANGLED_ID),
        (" 8.9e+39 ", Invalid.MANGLED_ID),
        ("1.00E-05", Invalid.MANGLED_ID),
        ("#N/A", Invalid.MANGLED_ID),
        ("#ref!", Invalid.MANGLED_ID),
        ("#DIV/0!", Invalid.MANGLED_ID),
        ("#NV", Invalid.MANGLED_ID),
        ("#¿NOMBRE?", Invalid.MANGLED_ID),
        ("########", Invalid.MANGLED_ID),
        ("a\nb", Invalid.BAD_ID),
        ("a\x00b", Invalid.BAD_ID),
        ("a\x85b", Invalid.BAD_ID),
        ("a\u2028b", Invalid.BAD_ID),
        ("a\ud800b", Invalid.BAD_ID),
        ("x" * (ID_CHARACTERS + 1), Invalid.BAD_ID),
        ("x y" * ID_CHARACTERS, Invalid.BAD_ID),
        (".", Invalid.BAD_ID),
        ("..", Invalid.BAD_ID),
    ],
)
def test_ids_that_cannot_be_sent_to(text: str, kind: Invalid) -> None:
    _, found, sentence = check_pass_id(text)
    assert found is kind
    assert sentence.endswith((".", "?"))


@pytest.mark.parametrize(
    "pass_id",
    [
        "e89b1330fc391ec89656f3c664318cff8805471e",
        "6f3c2a50-1111-4222-8333-444455556666",
        "0004711",
        "shop 7/card 12",
        "a/../b",
        "...",
        "%2e%2e",
        "#1",
        "VIP!",
        "1E5",
        "12E-3",
        "E+15",
        "名前",
        "x" * ID_CHARACTERS,
        "a\u200db",
    ],
)
def test_external_ids_are_any_text(pass_id: str) -> None:
    assert check_pass_id(pass_id) == (pass_id, None, "")
    assert check_pass_id(f" \xa0{pass_id}\u200b\t") == (pass_id, None, "")


@given(ordinary_ids)
def test_an_id_that_passes_is_one_segment_of_the_address_as_it_leaves(text: str) -> None:
    pass_id, invalid, _ = check_pass_id(text)
    if invalid is None:
        url = URL(f"https://host/passes/{quote(pass_id, safe='')}/notification")  # without encoded=True, so that yarl normalises it
        assert [unquote(segment) for segment in url.raw_path.split("/")] == ["", "passes", pass_id, "notification"]


@given(ordinary_ids)
def test_checking_a_clean_id_again_changes_nothing(text: str) -> None:
    pass_id, invalid, sentence = check_pass_id(text)
    assert check_pass_id(pass_id) == (pass_id, invalid, sentence)
    assert bool(sentence) == (invalid is not None)


def test_dot_segments_are_dropped_from_an_address_even_if_encoded() -> None:
    assert URL("https://host/passes/%2E%2E/notification").raw_path == "/notification"
    assert URL("https://host/passes/%2E/notification").raw_path == "/passes/notification"


@given(st.integers(0, 2**160 - 1), st.uuids())
def test_uuids_are_the_same_pass_in_capitals(number: int, dashed: uuid.UUID) -> None:
    digits = f"{number:040x}"
    assert pass_key(digits.upper()) == pass_key(digits) == digits
    assert pass_key(str(dashed).upper()) == pass_key(str(dashed)) == str(dashed)


@given(st.text(max_size=41))
def test_external_ids_are_compared_exactly(text: str) -> None:
    key = pass_key(text)
    assert key == text or (len(text) in {36, 40} and key == text.lower() and set(key) <= set("0123456789abcdef-"))


def test_external_ids_of_a_uuids_length_keep_their_case() -> None:
    for text in ("X" * 40, "A" * 36, "A" * 39 + "\n", "SHOP-" + "0" * 31):
        assert pass_key(text) == text


def test_the_names_are_those_that_people_are_told() -> None:
    with pytest.raises(InputError) as caught:
        find_id_column(["name"], None)
    assert all(name in str(caught.value) for name in ID_NAMES)
