"""What a person counts as one character, and what may be sent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.model import Invalid
from campaign.domain.text.lines import length_as_shown
from campaign.loader.messages.result import Rendered, finish

FAMILY = "👩\u200d👩\u200d👧\u200d👦"
CLUSTERS = [
    "a",
    " ",
    "é",
    "e\u0301",
    "e\u0301\u0323\u0302",
    "😀",
    "❤\ufe0f",
    "👍🏽",
    FAMILY,
    "👩🏽\u200d🚒",
    "🙂\u200d↔\ufe0f",
    "❤\ufe0f\u200d🔥",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "🇩🇪",
    "1\ufe0f\u20e3",
    "각",
    "\u1100\u1161\u11a8",
    "가\u11a8",
    "कि",
    "กำ",
    "か\u3099",
    "ｶﾞ",
    "\r\n",
    "\n",
    "\u200b",
    "漢",
]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_one_character(cluster: str) -> None:
    assert length_as_shown(cluster) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("Grüße", 5),
        ("🇩🇪🇫🇷", 2),
        ("🇩🇪🇫", 2),
        ("🇩a🇪", 3),
        ("a\u200db", 2),
        ("a\u200d😀", 2),
        ("😀😀", 2),
        ("각각", 2),
        ("a\n\u0301", 3),
        ("é\r\nb", 3),
        ("a\r\nb", 3),
        ("\u0301a", 2),
    ],
)
def test_several_characters(text: str, expected: int) -> None:
    assert length_as_shown(text) == expected


@given(st.lists(st.sampled_from([cluster for cluster in CLUSTERS if cluster not in {"\n", "\r\n", "\u200b"}])), st.data())
def test_clusters_with_a_letter_between_them_add_up(clusters: list[str], data: st.DataObject) -> None:
    text = "x".join(clusters)
    assert length_as_shown(text) == max(0, 2 * len(clusters) - 1)
    cut = data.draw(st.integers(0, len(text)))
    # Cutting anywhere can part one cluster, and join none.
    assert length_as_shown(text[:cut]) + length_as_shown(text[cut:]) - length_as_shown(text) in range(3)


@given(st.text())
def test_never_longer_than_its_code_points(text: str) -> None:
    assert bool(text) <= length_as_shown(text) <= len(text)


def test_the_limit_counts_what_is_shown() -> None:
    assert finish(FAMILY * 10, max_length=10) == Rendered(text=FAMILY * 10)
    over = finish(FAMILY * 10 + "!", max_length=10)
    assert over.reason is Invalid.MESSAGE_TOO_LONG
    assert re.findall(r"\d+", over.error) == ["11", "10"]


def test_a_text_far_beyond_the_limit_is_not_counted_but_refused() -> None:
    assert finish("e" + "\u0301" * 5_000, max_length=10).reason is Invalid.MESSAGE_TOO_LONG


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u200b", " \u00ad\ufeff "])
def test_nothing_to_see_is_empty(text: str) -> None:
    assert finish(text, max_length=350).reason is Invalid.EMPTY_MESSAGE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a  b \n", "a  b"),
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("\ta\t", "a"),
        ("e\u0301", "e\u0301"),
        ("50 %\u00a0off", "50 %\u00a0off"),
        ("\u200ea\u200f", "\u200ea\u200f"),
        ("1\u2028 2", "1\u2028 2"),
        ("{ a } {", "{ a } {"),
        (FAMILY, FAMILY),
    ],
)
def test_only_line_ends_and_blanks_around_it_change(text: str, expected: str) -> None:
    assert finish(text, max_length=350) == Rendered(text=expected)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a\tb", "a tab"),
        ("a\x00b", "U+0000"),
        ("a\x1b[31m", "U+001B"),
        ("a\x7fb", "U+007F"),
        ("a\x85b", "U+0085"),
        ("a\ud800b", "U+D800"),
        ("👩\u200d👧 \udfff b", "U+DFFF"),
    ],
)
def test_characters_that_no_message_has_are_refused(text: str, named: str) -> None:
    rendered = finish(text, max_length=350)
    assert rendered.reason is Invalid.BAD_MESSAGE
    assert named in rendered.error
    assert rendered.error.isprintable()


@pytest.mark.parametrize("text", ["Hi {{ first_name }}", "Hi {% if x %}", "Hi {{", "a\n{{ b\nc }}"])
def test_merge_fields_that_nobody_filled_in_are_flagged(text: str) -> None:
    rendered = finish(text, max_length=350)
    assert rendered.reason is Invalid.BAD_MESSAGE
    assert finish(text, max_length=350, braces_meant=True) == Rendered(text=text)


@given(st.text(max_size=400), st.integers(1, 350))
def test_what_is_sent_is_within_the_limits(text: str, max_length: int) -> None:
    rendered = finish(text, max_length=max_length)
    assert (rendered.reason is None) == bool(rendered.text) == (not rendered.error)
    if rendered.reason is None:
        assert rendered.text == rendered.text.strip()
        assert length_as_shown(rendered.text) <= max_length
        assert not any(character != "\n" and (character < " " or "\x7f" <= character < "\xa0") for character in rendered.text)
        rendered.text.encode()
        assert finish(rendered.text, max_length=max_length) == rendered
