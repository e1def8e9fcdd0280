"""What a check warns of, text by text; and of what it does not, which matters as much."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.domain.lists.lint import Links, _lint, find_mojibake, lint
from campaign.domain.lists.lint_findings import LintKind, LintMatch
from tests.unit.messages_given import HANG_SECONDS


def lint_text(text: str, *, lock_screen: int = 140) -> list[LintMatch]:
    return [match for _, match in lint([text], lock_screen=lock_screen)]


def kinds(text: str, lock_screen: int = 140) -> list[LintKind]:
    return [found.kind for found in lint_text(text, lock_screen=lock_screen)]


def excerpt(text: str, kind: LintKind) -> str:
    return next(found.excerpt for found in lint_text(text, lock_screen=140) if found.kind is kind)


@pytest.mark.parametrize(
    "text",
    [
        "Hi {{ first_name }}, hello",
        "Hi }} there",
        "Hi %{name}, hello",
        "Hi ${name}, hello",
        "Today only {% if x",
        "Hi {name}, hello",
        "Hi {Vorname}!",
        "Hi {}, hello",
        "Hi [name], hello",
        "Hi [first name], hello",
        "[Name], hello",
        "[name] hello",
        "[FIRST_NAME] hello",
        "Hi <name>, hello",
        "One line<br>another",
        "Hi *|FNAME|*, hello",
        "Hi %FIRSTNAME%, hello",
        "See https://shop.example/{code}",
        "See [the shop](https://shop.example/{code})",
        "See [the {name} shop](https://shop.example/)",
    ],
)
def test_a_placeholder_is_seen(text: str) -> None:
    assert LintKind.PLACEHOLDER in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hi , your code is X",
        "Hi !",
        "Hello !",
        "Hallo ! Ihr Code",
        "Dear ,",
        ", your code is X",
        "! Your code is X",
        "Hi  your code is X",
        "Your code is  today",
        "Your code: . Bye",
        "Your code:",
        "Your code is ,",
        "Only at A, , and C",
        "Only at A,, C",
        "Come to A,.",
        "The shop () is open",
        "The shop “” is open",
        "Get % off",
        "% off today",
        "Yours for only € today",
        "Hi None, hello",
        "Hi nan, hello",
        "Worth NaN points",
        "Hi undefined",
        "Worth #N/A points",
    ],
)
def test_a_value_that_came_out_empty_is_seen(text: str) -> None:
    assert LintKind.EMPTY_MERGE in kinds(text)


@pytest.mark.parametrize(
    "text", ["http://shop.example", "See http://shop.example/x.", "See [the shop](http://shop.example/)", "HTTP://SHOP.EXAMPLE/x"]
)
def test_an_address_that_others_can_read_is_seen(text: str) -> None:
    assert kinds(text) == [LintKind.INSECURE_LINK, LintKind.LINK]


@pytest.mark.parametrize(
    "text",
    [
        "See [the shop](https://shop.example/my offer)",
        "See [the shop] (https://shop.example/)",
        "See [the shop](https://shop.example/",
        "See [the shop]()",
        "See [the shop](www.shop.example)",
        "See [the shop](",
        "See https:// shop.example",
        "See https://",
        "See https:/shop.example",
        "See https//shop.example",
        "See https://shop now",
        "See https://shop.example/?code=",
        "See https://shop.example/?code=&x=1",
        "See https://shop.example/?code=.",
        "See [the shop](https://shop.example/?code=)",
        "See https://shop.example/shop//offer",
    ],
)
def test_a_link_that_is_not_whole_is_seen(text: str) -> None:
    assert LintKind.BROKEN_LINK in kinds(text)
    assert LintKind.PLACEHOLDER not in kinds(text)
    assert LintKind.EMPTY_MERGE not in kinds(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("See https://shop.example", "https://shop.example"),
        ("Seen https://shop.example/x?", "https://shop.example/x"),
        ("(See https://shop.example/a_(b)?x=1&y=2#z.)", "https://shop.example/a_(b)?x=1&y=2#z"),
        ("[The shop](https://shop.example/a_(b))!", "https://shop.example/a_(b)"),
        ("[The shop](https://shop.example/x), [another](https://b.example)", "https://shop.example/x"),
        ("https://münchen.example/straße?x=%C3%9F%20%C3%A9", "https://münchen.example/straße?x=%C3%9F%20%C3%A9"),
        ("https://shop.example:8443/x", "https://shop.example:8443/x"),
        ("https://shop.example/100%25off", "https://shop.example/100%25off"),
    ],
)
def test_a_good_link_is_a_link_and_nothing_else(text: str, address: str) -> None:
    found = lint_text(text, lock_screen=140)
    assert [(one.kind, one.excerpt.rstrip(")")) for one in found] == [(LintKind.LINK, address.rstrip(")"))]


@pytest.mark.parametrize(
    "text",
    [
        "Hello Anna, 20% off at Umeå Ö until 31 March. Your code: SPRING-1",
        "Bonjour Anna ! 10 % de remise : Lyon ; à bientôt ?",
        "Bonjour Anna\u00a0! « Le café… » Nescafé® à 10\u00a0€, Citroën™",
        "Das war ein „Spaß“ – im „Café“, auf dem MENÜ“: 5 € für 2, Größe „Ä“…",  # noqa: RUF001 - the dash is meant
        "«BLÅ» »PÅ« AMANHÃ” MAÇÃ”, AÇÃO, ÎLE, Ñandú; PÅ\u00a0LAGER",
        "[NEW] Spring is here",
        "[Café Anna] Your code",
        "I <3 you; 2 < 3 > 1, a -> b",
        "Wait ... what",
        "See you :) or ;) or :-D",
        "Hello.  Two blanks between sentences.  So what?",
        "One\n\nTwo\n  Three",
        "100%",
        "Between 10% and 20% off, 50 %, 5 $, €5, US$ 5",
        "From .5 to 1.5 km/h, and/or at 10:30",
        "None of it is null and void: Nancy's finance",
        "Null Euro Versand",
        "Привет, Анна! Скидка 20 %",
        "こんにちは、アンナさん。20％オフ",  # noqa: RUF001 - as it is written in Japan
        "你好！八折，今天。",  # noqa: RUF001 - as it is written in China
        "שלום, 20% הנחה",
        "مرحبا، خصم 20٪",
        "👨‍👩‍👧 🎉 ❤️",
        "A (very) good day",
        "",
        "Hi",
    ],
)
def test_what_people_really_write_is_no_alarm(text: str) -> None:
    assert kinds(text) == []


def test_a_lock_screen_is_measured_in_what_a_person_sees() -> None:
    family = "👨‍👩‍👧"
    assert kinds(family * 140) == []
    assert kinds(family * 141) == [LintKind.CUT_ON_LOCK_SCREEN]
    assert excerpt(family * 141, LintKind.CUT_ON_LOCK_SCREEN).startswith("141 characters: ")
    assert kinds("x" * 50, lock_screen=49) == [LintKind.CUT_ON_LOCK_SCREEN]
    assert kinds("x" * 50, lock_screen=50) == []


def test_of_a_named_link_a_person_sees_the_name() -> None:
    long = "[The shop](https://shop.example/" + "x" * 200 + ")"
    assert kinds(long) == [LintKind.LINK]
    assert kinds("x" * 132 + long) == [LintKind.LINK]
    assert kinds("x" * 133 + long) == [LintKind.CUT_ON_LOCK_SCREEN, LintKind.LINK]


def test_an_excerpt_shows_where_it_is() -> None:
    text = "x" * 50 + " Hi [name], hello " + "y" * 50
    assert "[name]" in excerpt(text, LintKind.PLACEHOLDER)
    assert len(excerpt(text, LintKind.PLACEHOLDER)) < 70
    assert excerpt(text, LintKind.PLACEHOLDER).startswith("…")
    assert excerpt(text, LintKind.PLACEHOLDER).endswith("…")


NO_CHARACTERS = "\x81\x8d\x8f\x90\x9d"


def misread(text: str) -> str:
    """Text in UTF-8, read as Windows-1252."""
    return "".join(chr(byte) if chr(byte) in NO_CHARACTERS else bytes([byte]).decode("cp1252") for byte in text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, José, à bientôt, ça va",
        "It’s “good” – or not…",  # noqa: RUF001 - the quotes and the dash are meant
        "5 € or £5",
        "10\u00a0€",
        "Zażółć gęślą jaźń",
        "Příliš žluťoučký kůň",
        "Göteborg, Malmö, Århus",
        "İstanbul'da şimdi ğ",
        "Привет",
        "Καλημέρα",
        "שלום",
        "مرحبا",
        "こんにちは",
        "今日は",
        "안녕하세요",
        "สวัสดี",
        "नमस्ते",
        "Party 🎉",
        "I ❤ you ➡ now",
    ],
)
def test_mojibake_is_seen_and_the_text_itself_is_not(text: str) -> None:
    assert find_mojibake(text) is None
    assert find_mojibake(misread(text)) is not None
    assert LintKind.MOJIBAKE in kinds(misread(text))


def test_a_character_that_was_lost_is_seen() -> None:
    assert kinds("Gr\ufffd\ufffde") == [LintKind.MOJIBAKE]


SMALL = "äöüßéèêëàâçñóòôõåøæýíìîïúùûłńśćźżąęőűřěůğışțăđабвгдежзийклмнопрстуфхцчшщыьэюяαβγδεζηθικλμνξπρστυφχψω"
LETTERS = SMALL + "œšžÄÖÜÉÈÇÑÓØÆŽŁĐАБВГДРΑΒΓΔ"
ENGLISH = "abcdefghijklmnop .,!?"


@given(st.text(alphabet=ENGLISH, max_size=20), st.sampled_from(LETTERS), st.text(alphabet=ENGLISH + LETTERS, max_size=20))
def test_every_letter_of_europe_is_seen_when_it_is_broken(before: str, letter: str, after: str) -> None:
    """Followed by a letter: by itself, `Ã“` could also be the end of a word and a quote. Š is like the end of Swedish “PÅ”."""
    assert find_mojibake(misread(f"{before}{letter}a{after}")) is not None


@given(st.text(alphabet=ENGLISH + SMALL + "„“”‚‘’«»…–—™®©¿¡\u00a0", max_size=60))  # noqa: RUF001 - the quotes and the dashes are meant
def test_letters_and_quotes_as_they_should_be_are_no_alarm(text: str) -> None:
    assert find_mojibake(text) is None


@given(st.text(max_size=120), st.integers(min_value=1, max_value=200))
def test_any_text_can_be_looked_at_and_tells_each_kind_once(text: str, lock_screen: int) -> None:
    found = lint_text(text, lock_screen=lock_screen)
    assert len({one.kind for one in found}) == len(found)
    assert [one.kind for one in found] == sorted((one.kind for one in found), key=list(LintKind).index)
    assert all(one.excerpt for one in found)
    assert lint_text(text, lock_screen=lock_screen) == found


MARKS = st.text(alphabet='{}[]()<>|*%$#,.:;!? \u00a0\n"“”«»/=&hHttps:iaN1é', max_size=60)


@given(MARKS | st.text(max_size=60) | st.text(alphabet=SMALL + ENGLISH, max_size=60).map(misread))
@example("a](")
@example("hi \x1d!")
@example("Â ")
@example("x,\u2003;")
@example("% off")
@example("\ud800 {}")
def test_what_is_left_out_for_speed_is_never_found_by_the_long_way(text: str) -> None:
    links = Links.of(text)
    assert lint_text(text) == list(_lint(text, links, 140, marks=True, gaps=True))


def test_each_message_has_what_is_found_in_it() -> None:
    texts = ["Hi {name}", "Hi", "Hi {name}", "See https://shop.example/", "Hi"]
    assert [(index, match.kind) for index, match in lint(texts, lock_screen=140)] == [
        (0, LintKind.PLACEHOLDER),
        (2, LintKind.PLACEHOLDER),
        (3, LintKind.LINK),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[a",
        "[a](",
        "https://a/",
        "https://a.a/=",
        "( ",
        " ",
        ", ",
        "hi ",
        "[a](https://(",
        "[a](https://()",
        "<a ",
        "*|",
        "{a",
        "%ab",
        "Ã",
    ],
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    hostile = text * (350 // len(text))
    began = time.process_time()
    for number in range(20):
        lint_text(f"{hostile}{number}", lock_screen=140)
    assert time.process_time() - began < HANG_SECONDS
