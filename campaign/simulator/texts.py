"""Messages by number, in one block of bytes: a million texts as objects of their own would cost twice as much."""

from array import array
from typing import Final

NO_TEXT: Final = 0
_RECENT: Final = 4096


class TextStore:
    """Only ever grows. A text that comes again soon is not stored again; equal texts may still have two numbers."""

    def __init__(self) -> None:
        self._block = bytearray()
        self._ends = array("Q", [0])
        self._recent: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Stores the text; numbers begin after `NO_TEXT`."""
        found = self._recent.get(text)
        if found is not None:
            return found
        if len(self._recent) >= _RECENT:
            self._recent.clear()
        self._block += text.encode()
        number = self._recent[text] = len(self._ends)
        self._ends.append(len(self._block))
        return number

    def text(self, number: int) -> str:
        return self._block[self._ends[number - 1] : self._ends[number]].decode()
