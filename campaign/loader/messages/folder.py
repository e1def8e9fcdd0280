"""The templates of a folder, found by the names that the cells of a `template` column have."""

import stat
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Final

from campaign.domain.errors import InputError
from campaign.loader.messages import refusals
from campaign.loader.messages.fields import Fields
from campaign.loader.messages.rendered import MessageLimits, Rendered
from campaign.loader.messages.source import Source, read_source
from campaign.loader.messages.template import compile_template
from campaign.loader.names import shown

_SUFFIXES: Final = (".txt", ".j2")
_MAX_FILES: Final = 1_000
_PROBLEMS: Final = 256
"""Wrong names remembered: comparing one with a thousand templates takes milliseconds, and a list has the same one in many rows."""


def read_folder(folder: Path, limits: MessageLimits) -> dict[str, Source]:
    """The templates in a folder by file name: every `.txt` and `.j2` file in it that is not hidden and no link out of it.

    What a cell says is only ever looked up among these names, so it can't lead to any other file.

    Raises:
        InputError: there is no such folder, nothing in it, too much in it, or a file that `read_source` refuses.
    """
    try:
        root = folder.resolve(strict=True)
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"The folder of templates can't be read: {error.strerror}. Check --templates.", file=folder) from error
    paths = [path for path in paths if _is_inside(path, root)]
    if not paths:
        raise InputError("The folder has no templates: none of its files ends in .txt or .j2. Check --templates.", file=folder)
    if len(paths) > _MAX_FILES:
        raise InputError(f"The folder has more than {_MAX_FILES:,} templates. Keep only those of this campaign in it.", file=folder)
    return {_key(path.name): read_source(path, max_characters=limits.max_source) for path in paths}


def _is_inside(path: Path, root: Path) -> bool:
    try:
        real = path.resolve(strict=True)
        return real.is_relative_to(root) and stat.S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):  # a link that leads nowhere, or in a circle
        return False


def _key(name: str) -> str:
    # Some file systems take accents apart, spreadsheets don't.
    return unicodedata.normalize("NFC", name.strip())


class FolderMessages:
    """Each row by the template that its cell names, with or without the suffix."""

    def __init__(self, place: int, sources: dict[str, Source], fields: Fields, limits: MessageLimits, *, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._place = place
        self._column = fields.columns[place]
        self._templates = {name: compile_template(source, fields, limits) for name, source in sources.items()}
        stems: dict[str, list[str]] = {}
        for name in sources:
            stems.setdefault(name.rpartition(".")[0], []).append(name)
        self._problem = lru_cache(maxsize=_PROBLEMS)(self._find_problem)
        self._ambiguous = {stem: names for stem, names in stems.items() if len(names) > 1}
        for stem, names in stems.items():
            if len(names) == 1:
                self._templates.setdefault(stem, self._templates[names[0]])

    def render(self, cells: Sequence[str]) -> Rendered:
        """The message of one row; InputError if one of the templates can't be used for any row."""
        cell = cells[self._place]
        template = self._templates.get(cell) or self._templates.get(_key(cell))
        return refusals.no_template(self._problem(_key(cell))) if template is None else template.render(cells)

    def texts(self, rows: Sequence[Sequence[str]]) -> Sequence[str]:
        """Nothing: each row has a template of its own."""
        return [""] * len(rows)

    def _find_problem(self, name: str) -> str:
        column = f"The column “{shown(self._column)}”"
        if not name:
            return f"{column} is empty, so the row has no template. Name one of the files in the folder of templates."
        if names := self._ambiguous.get(name):
            return f"{column} says “{shown(name)}”, which could be {' or '.join(names)}. Write the suffix too."
        close = get_close_matches(name.casefold(), {known.casefold(): known for known in self._templates}, n=1)
        near = f" Did you mean “{shown(close[0])}”?" if close else ""
        return (
            f"{column} says “{shown(name)}”, and the folder of templates has no such .txt or .j2 file.{near} Mend the name or add the file."
        )
