"""Which source the messages come from, and the sources that are files and columns."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from campaign.domain.errors import InputError, TemplateError, UsageError
from campaign.domain.model import Invalid
from campaign.loader.messages.resolve import Messages, plan_messages
from tests.errors import raises
from tests.unit.messages_given import ANNA, COLUMNS, is_sentence

LISTED = (*COLUMNS, "Template")


def from_folder(folder: Path, *, columns: tuple[str, ...] = LISTED) -> Messages:
    return plan_messages(columns, message=None, template=None, templates=folder)


def from_file(path: Path) -> Messages:
    return plan_messages(COLUMNS, message=None, template=path, templates=None)


def from_column(*columns: str) -> Messages:
    return plan_messages(columns, message=None, template=None, templates=None)


def problem_of(make: Callable[[], object], kind: type[UsageError | InputError]) -> str:
    with pytest.raises(kind) as caught:
        make()
    assert is_sentence(caught.value.problem if isinstance(caught.value, InputError) else str(caught.value))
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "templates"
    made.mkdir()
    (made / "spring.txt").write_text("Spring for {{ first_name }}\n", encoding="utf-8")
    (made / "winter.j2").write_text("Winter for {{ first_name | upper }}", encoding="utf-8")
    (made / "both.txt").write_text("a", encoding="utf-8")
    (made / "both.j2").write_text("b", encoding="utf-8")
    (made / "README.md").write_text("{{ not a template", encoding="utf-8")
    (made / ".hidden.txt").write_text("{{ nor this", encoding="utf-8")
    (made / "deeper.txt").mkdir()
    os.mkfifo(made / "pipe.txt")
    return made


@pytest.mark.parametrize("given", [("m", "t", None), ("m", None, "d"), (None, "t", "d"), ("m", "t", "d"), ("", "t", None)])
def test_more_than_one_option_is_refused_naming_them(given: tuple[str | None, str | None, str | None]) -> None:
    message, template, templates = given
    said = problem_of(
        lambda: plan_messages(
            ["message"], message=message, template=Path(template) if template else None, templates=Path(templates) if templates else None
        ),
        UsageError,
    )
    assert ("--message " in said) == (message is not None)
    assert ("--template " in said) == (template is not None)
    assert ("--templates " in said) == (templates is not None)


def test_no_source_at_all_is_refused_naming_the_columns() -> None:
    with raises(UsageError, "no_message") as caught:
        from_column("id", "First name")
    assert "id, first_name (“First name”)" in str(caught.value)


@pytest.mark.parametrize("name", ["message", "Message", "MESSAGE", " mes-sage ", "mes_sage"])
def test_a_message_column_is_found_in_any_spelling(name: str) -> None:
    assert from_column("id", name).render(["1", " Hi "]).text == "Hi"


def test_a_message_column_is_sent_as_it_stands() -> None:
    messages = from_column("id", "message")
    assert messages.render(["1", "50 % for you\r\n{x} #{ {"]).text == "50 % for you\n{x} #{ {"
    assert messages.render(["1", "Hi {{ id }}"]).reason is Invalid.BAD_MESSAGE
    assert messages.render(["1", ""]).reason is Invalid.EMPTY_MESSAGE
    assert messages.render(["1", "x" * 351]).reason is Invalid.MESSAGE_TOO_LONG


def test_an_option_wins_over_the_columns(folder: Path) -> None:
    columns = ["message", "template", "first name"]
    row = ["own text", "spring", "Anna"]
    assert plan_messages(columns, message="Hi {{ first_name }}", template=None, templates=None).render(row).text == "Hi Anna"
    assert plan_messages(columns, message=None, template=folder / "spring.txt", templates=None).render(row).text == "Spring for Anna"
    assert plan_messages(columns, message=None, template=None, templates=folder).render(row).text == "Spring for Anna"
    assert plan_messages(columns, message="{{ message }}", template=None, templates=None).render(row).text == "own text"


def test_columns_that_leave_a_choice_are_refused(folder: Path) -> None:
    with raises(UsageError, "several_messages"):
        from_column("Message", "TEMPLATE")
    with pytest.raises(InputError):
        from_column("message", "Message")
    with raises(UsageError, "no_folder", option="--templates"):
        from_column("id", "template")
    with raises(UsageError, "missing_column", column="template"):
        from_folder(folder, columns=COLUMNS)


def test_a_template_file_in_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    for content in ("Größe für {{ first_name }}\r\n\r\n".encode(), "\ufeffGröße für {{ first_name }}".encode()):
        path = tmp_path / "a"
        path.write_bytes(content)
        assert from_file(path).render(ANNA).text == "Größe für Anna"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a\nGrüße".encode("cp1252"), (2, None)),
        ("Hi {{ first_name }}".encode("utf-16"), (1, None)),
        (b"a\n\x00", (2, 1)),
        (b"one\n{{ nick }}", (2, 4)),
    ],
)
def test_a_template_file_that_is_refused_where_it_is_wrong(tmp_path: Path, content: bytes, place: tuple[int, int | None]) -> None:
    path = tmp_path / "template.txt"
    path.write_bytes(content)
    with pytest.raises(TemplateError) as caught:
        from_file(path)
    assert str(caught.value.file) == str(path)
    assert (caught.value.template_line, caught.value.position) == place


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf \n", "empty_file"),
        (b"x" * 32_769, "long_template"),
        ("é".encode() * 1_000_000, "long_template"),
        (b"x" + "é".encode() * 1_000_000, "long_template"),
        (b"x" * 1_000_000, "long_template"),
    ],
)
def test_a_template_file_that_is_refused_whole(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "template.txt"
    path.write_bytes(content)
    with raises(InputError, code) as caught:
        from_file(path)
    assert str(caught.value.file) == str(path)


def test_a_template_file_that_is_none(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.txt", "file_not_readable"), (tmp_path, "is_a_folder"), (Path("/dev/zero"), "long_template")):
        with raises(InputError, code):
            from_file(path)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("spring", "Spring for Anna"),
        ("spring.txt", "Spring for Anna"),
        (" winter ", "Winter for ANNA"),
        ("winter.j2", "Winter for ANNA"),
        ("both.txt", "a"),
    ],
)
def test_a_template_column_names_files(folder: Path, cell: str, expected: str) -> None:
    assert from_folder(folder).render((*ANNA, cell)).text == expected


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", "The column “Template” is empty"),
        ("sprng", "Did you mean “spring”?"),
        ("Spring.TXT", "Did you mean “spring.txt”?"),
        ("summer", "has no such .txt or .j2 file"),
        ("both", "could be both.j2 or both.txt"),
        ("../secret.txt", "no such"),
        ("/etc/passwd", "no such"),
        ("./spring.txt", "no such"),
        ("README.md", "no such"),
        (".hidden", "no such"),
        ("deeper", "no such"),
        ("pipe", "no such"),
        ("out", "no such"),
        ("nowhere", "no such"),
        ("circle", "no such"),
        ("a\x1b[31m", "no such"),
    ],
)
def test_a_template_column_that_names_no_file(folder: Path, cell: str, words: str) -> None:
    (folder.parent / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "out.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "nowhere.txt").symlink_to(folder / "gone.txt")
    (folder / "circle.txt").symlink_to(folder / "circle.txt")
    rendered = from_folder(folder).render((*ANNA, cell))
    assert (rendered.text, rendered.reason) == ("", Invalid.NO_TEMPLATE)
    assert words in rendered.error
    assert is_sentence(rendered.error)
    assert rendered.error.isprintable()


def test_links_that_stay_in_the_folder_are_followed(folder: Path) -> None:
    """As Kubernetes mounts a ConfigMap."""
    real = folder / "..2024"
    real.mkdir()
    (real / "mounted.txt").write_text("mounted", encoding="utf-8")
    (folder / "..data").symlink_to(real)
    (folder / "mounted.txt").symlink_to(folder / "..data" / "mounted.txt")
    assert from_folder(folder).render((*ANNA, "mounted")).text == "mounted"


def test_a_broken_file_in_the_folder_is_found_before_any_row(folder: Path) -> None:
    (folder / "zero.txt").write_text("ok\n{{ nick }}", encoding="utf-8")
    said = problem_of(lambda: from_folder(folder), InputError)
    assert said.startswith(f"{folder / 'zero.txt'}: Line 2, column 4: “nick” is not a column")


def test_a_file_that_fails_on_a_row_is_named(folder: Path) -> None:
    (folder / "bad.txt").write_text("ok\n{{ code | int }}", encoding="utf-8")
    rendered = from_folder(folder).render((*ANNA, "bad"))
    assert rendered.reason is Invalid.TEMPLATE_FAILED
    assert rendered.error.startswith(f"{folder / 'bad.txt'}, line 2: “X1” is not a number")


def test_accents_in_file_names_are_found_in_both_normal_forms(folder: Path) -> None:
    (folder / "cafe\u0301.txt").write_text("found", encoding="utf-8")
    for cell in ("caf\u00e9", "cafe\u0301", "caf\u00e9.txt"):
        assert from_folder(folder).render((*ANNA, cell)).text == "found"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x", encoding="utf-8")
    for path, code in ((tmp_path, "no_file"), (tmp_path / "none", "no_folder"), (tmp_path / "a.md", "no_folder")):
        with raises(InputError, code):
            from_folder(path)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(1_001):
        (many / f"{number}.txt").touch()
    with raises(InputError, "too_many_files"):
        from_folder(many)


def test_the_fingerprint_tells_what_decides_the_text(folder: Path, tmp_path: Path) -> None:
    def of(message: str) -> str:
        return plan_messages(COLUMNS, message=message, template=None, templates=None).fingerprint

    assert len(of("a")) == 64
    assert of("a\n{{ code }}") == of("a\r\n{{ code }}") != of("a {{ code }}")
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("a", encoding="utf-8")
    other.write_bytes(b"\xef\xbb\xbfa")
    assert from_file(one).fingerprint == from_file(other).fingerprint != of("a")
    assert from_column("message").fingerprint != from_column("Message").fingerprint
    before = from_folder(folder).fingerprint
    assert before == from_folder(folder).fingerprint
    (folder / "spring.txt").rename(folder / "autumn.txt")
    renamed = from_folder(folder).fingerprint
    (folder / "autumn.txt").write_text("Autumn", encoding="utf-8")
    assert len({before, renamed, from_folder(folder).fingerprint}) == 3


def test_a_template_that_holds_anothers_name_and_text_is_not_both_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1", encoding="utf-8")
    (tmp_path / "b.txt").write_text("2", encoding="utf-8")
    both = from_folder(tmp_path).fingerprint
    (tmp_path / "a.txt").write_text("1b.txt2", encoding="utf-8")
    (tmp_path / "b.txt").unlink()
    assert from_folder(tmp_path).fingerprint != both
