"""Whether a text is JSON, and of which kind: people save it under a list's name, or pipe it in."""

import codecs
import json
import re
from pathlib import Path
from typing import Final

DOCUMENT: Final = "a JSON document"
LINES: Final = "a file of JSON lines"

_HEAD_BYTES: Final = 1 << 20
_BEGINS: Final = re.compile(r'\s*(?:\{\s*["}]|\[\s*(?:[{\["\]]|(?:true|false|null|-?\d[\d.eE+-]*)\s*(?:,|\]\s*$)))')
"""A header in brackets, `[id],[name]`, is none."""


def json_kind(path: Path) -> str:
    """`DOCUMENT`, `LINES`, or empty for a text that is not JSON."""
    with path.open("rb") as file:
        head = file.read(512)
        if not _BEGINS.match(_decoded(head)):
            return ""
        lines = [line for line in _decoded(head + file.read(_HEAD_BYTES)).splitlines() if line.strip()]
    first = _object(lines[0])
    if first is None:
        return DOCUMENT
    flat = not any(isinstance(value, dict | list) for value in first.values())
    return LINES if flat or (lines[1:2] and lines[1].lstrip().startswith("{")) else DOCUMENT


def _object(line: str) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _decoded(head: bytes) -> str:
    utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return head.decode("utf-16" if utf_16 else "utf-8-sig", "replace")
