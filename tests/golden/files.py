"""What people read, kept in one file a command and a page, so that rewording a sentence means regenerating files, not editing tests."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEPT: Final = Path(__file__).parent / "files"
REWRITE: Final = "make golden"

_PORT: Final = re.compile(r"127\.0\.0\.1:\d+")
_TIMES: Final = (
    (re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "DATE"),
)
_BLANKS: Final = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A file of `folder` that a text is compared with; `scratch` is the test's own folder, which differs from run to run."""

    name: str
    scratch: Path
    folder: Path = KEPT

    def __call__(self, text: str, *, times: bool = False) -> None:
        """Fail with a diff unless the file holds the text; `UPDATE_GOLDEN=1` writes it instead. `times` are to be left out of it."""
        text = _normalised(text, self.scratch, times=times)
        path = self.folder / self.name
        if os.environ.get("UPDATE_GOLDEN") == "1":
            self.folder.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if kept != text:
            names = (f"{self.name}, as kept", f"{self.name}, as it is")
            diff = difflib.unified_diff(kept.splitlines(), text.splitlines(), *names, lineterm="")
            raise AssertionError("\n".join([f"{self.name} has changed. If that is meant: {REWRITE}", *diff]))


def _normalised(text: str, scratch: Path, *, times: bool) -> str:
    text = _PORT.sub("127.0.0.1:PORT", text.replace(str(scratch), "FOLDER"))
    for pattern, instead in _TIMES if times else ():
        text = pattern.sub(instead, text)
    return f"{_BLANKS.sub('', text).rstrip()}\n"
