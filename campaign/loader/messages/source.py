"""The text of a template, and where it came from."""

import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from campaign.domain.errors import InputError, TemplateError
from campaign.loader.messages.result import one_line_end

_CONTROL: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_SUFFIXES: Final = (".txt", ".j2")
_MAX_FILES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`file` is what errors name: the path as it was given, or the option that holds the text itself."""

    text: str
    file: str

    def refused(self, line: int, problem: str, *, column: int | None = None) -> TemplateError:
        return TemplateError(problem, file=self.file, template_line=line, position=column)


def source_of(text: str, file: str, *, max_characters: int) -> Source:
    """A template's text, checked.

    Raises:
        InputError: it is empty, too long, or holds characters that no text has.
    """
    text = one_line_end(text)
    if not text.strip():
        raise InputError("The template is empty. Write the message into it.", code="empty_file", file=file)
    if len(text) > max_characters:
        raise _too_long(file, max_characters)
    source = Source(text=text, file=file)
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise source.refused(line, f"There is a character that no text has (U+{ord(found[0]):04X}). Remove it.", column=column)
    return source


def read_source(path: Path, *, max_characters: int) -> Source:
    """The template in a file, which is UTF-8, with or without a byte order mark.

    Raises:
        InputError: it can't be read, or is no text, or as in `source_of`.
    """
    try:
        with path.open("rb") as file:
            # A character takes up to four bytes; whatever is longer is not read at all.
            content = file.read(4 * max_characters + 4)
    except IsADirectoryError:
        raise InputError(
            "This is a folder. Name one file with --template, or use --templates with a “template” column.", code="is_a_folder", file=path
        ) from None
    except OSError as error:
        raise InputError(
            f"The template can't be read: {error.strerror}. Check its name and its permissions.", code="file_not_readable", file=path
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) > 4 * max_characters:
            raise _too_long(path, max_characters) from None
        line = content.count(b"\n", 0, error.start) + 1
        raise TemplateError("The template is not in UTF-8. Save it as UTF-8 text.", file=path, template_line=line) from None
    return source_of(text, str(path), max_characters=max_characters)


def _too_long(file: Path | str, max_characters: int) -> InputError:
    return InputError(
        f"The template has more than {max_characters:,} characters. Check that it is a template, and make it shorter.",
        code="long_template",
        file=file,
    )


def read_folder(folder: Path, *, max_characters: int) -> dict[str, Source]:
    """The templates in a folder by file name: every `.txt` and `.j2` file in it that is not hidden and no link out of it.

    What a cell says is only ever looked up among these names, so it can't lead to any other file.

    Raises:
        InputError: there is no such folder, nothing in it, too much in it, or a file that `read_source` refuses.
    """
    try:
        root = folder.resolve(strict=True)
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"The folder of templates can't be read: {error.strerror}. Check --templates.", code="no_folder", file=folder
        ) from error
    paths = [path for path in paths if _is_inside(path, root)]
    if not paths:
        raise InputError(
            "The folder has no templates: none of its files ends in .txt or .j2. Check --templates.", code="no_file", file=folder
        )
    if len(paths) > _MAX_FILES:
        raise InputError(
            f"The folder has more than {_MAX_FILES:,} templates. Keep only those of this campaign in it.",
            code="too_many_files",
            file=folder,
        )
    return {file_key(path.name): read_source(path, max_characters=max_characters) for path in paths}


def _is_inside(path: Path, root: Path) -> bool:
    try:
        real = path.resolve(strict=True)
        return real.is_relative_to(root) and stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):  # a link that leads nowhere, or in a circle
        return False


def file_key(name: str) -> str:
    """The spelling under which a cell names a file: some file systems take accents apart, spreadsheets don't."""
    return unicodedata.normalize("NFC", name.strip())
