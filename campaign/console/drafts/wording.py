"""Sentences of the command, as they are said in a browser: files by the names that people gave them, options by the fields of the form."""

import re
from collections.abc import Mapping
from typing import Final

_FIELDS: Final = {
    "--id-column": "the step “Pass column”",
    "--header-row": "“Line of the header”",
    "--message": "the message",
    "--template": "the message",
    "--time-zone": "“Time zone”",
    "--start-at": "“Start at”",
    "--not-after": "“Not after”",
    "--window": "“Send between”",
    "--name": "name",
    "--to": "Your pass",
}
_FLAG: Final = re.compile("|".join(sorted(map(re.escape, _FIELDS), key=len, reverse=True)) + r"(?![a-z-])")


def without_paths(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence that names files by what people call them; `names` are those, by path."""
    for path, name in names.items():
        sentence = sentence.replace(path, name)
    return in_the_forms_words(sentence)


def in_the_forms_words(sentence: str) -> str:
    """A sentence without the command's options."""
    return _FLAG.sub(lambda found: _FIELDS.get(found[0], found[0]), sentence.removeprefix("--message: "))
