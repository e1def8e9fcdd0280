"""The text of a template, and where it came from."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from campaign.domain.errors import InputError
from campaign.loader.messages.text import one_line_end

_CONTROL: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`file` is what errors name: the path as it was given, or the option that holds the text itself."""

    text: str
    file: str

    def refused(self, line: int, problem: str) -> InputError:
        return InputError(f"Line {line}: {problem}", file=self.file)


def source_of(text: str, file: str, *, max_characters: int) -> Source:
    """A template's text, checked.

    Raises:
        InputError: it is empty, too long, or holds characters that no text has.
    """
    text = one_line_end(text)
    if not text.strip():
        raise InputError("The template is empty. Write the message into it.", file=file)
    if len(text) > max_characters:
        raise InputError(
            f"The template has more than {max_characters:,} characters. Check that it is a template, and make it shorter.", file=file
        )
    source = Source(text=text, file=file)
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise source.refused(line, f"There is a character that no text has (U+{ord(found[0]):04X}). Remove it.")
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
            "This is a folder. Name one file with --template, or use --templates with a “template” column.", file=path
        ) from None
    except OSError as error:
        raise InputError(f"The template can't be read: {error.strerror}. Check its name and its permissions.", file=path) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) > 4 * max_characters:
            raise InputError(
                f"The template has more than {max_characters:,} characters. Check that it is a template, and make it shorter.", file=path
            ) from None
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"Line {line}: The template is not in UTF-8. Save it as UTF-8 text.", file=path) from None
    return source_of(text, str(path), max_characters=max_characters)
