"""What people read, kept in one file a command and a page, so that rewording a sentence means regenerating files, not editing tests."""

import difflib
import os
import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "files"
REWRITE: Final = "make golden"

_CHANGING: Final = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\b20\d\d-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)


def normalised(text: str, *, folder: Path | None = None) -> str:
    """A text without what differs from run to run: the test's own folder, ports, moments, and blanks at the ends of lines."""
    text = text.replace(str(folder), "FOLDER") if folder is not None else text
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return f"{text.rstrip()}\n"


def compare(name: str, text: str, *, folder: Path = FOLDER, rewrite: bool | None = None) -> None:
    """Fail with a diff unless `text` is what the file `name` holds; `UPDATE_GOLDEN=1` writes the file instead."""
    path = folder / name
    if os.environ.get("UPDATE_GOLDEN") == "1" if rewrite is None else rewrite:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if kept != text:
        lines = difflib.unified_diff(kept.splitlines(), text.splitlines(), f"{name}, as kept", f"{name}, as it is", lineterm="")
        raise AssertionError("\n".join([f"{name} has changed. If that is meant: {REWRITE}", *lines]))
