"""The numbers of a Thrift struct in the compact protocol, in which Parquet files describe themselves.

Only what is needed to judge a file before anything else reads it: pyarrow ends the process over some damaged footers.
"""

from typing import Final

_NESTING: Final = 16


class ThriftError(ValueError):
    """A struct that can't be read."""


class CompactReader:
    """Reads one struct: `numbers` are its integers, by the path of field ids, and of positions in lists, that leads to them.

    An IndexError says that the data ended first.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.numbers: dict[tuple[int, ...], int] = {}

    def struct(self, path: tuple[int, ...] = ()) -> None:
        if len(path) > _NESTING:
            raise ThriftError("a struct is nested too deep")
        field = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 0x0F
            field = field + delta if delta else self._signed()
            self._value(kind, (*path, field))

    def _value(self, kind: int, path: tuple[int, ...]) -> None:
        match kind:
            case 1 | 2:  # a field's true and false
                pass
            case 3:
                self._skip(1)
            case 4 | 5 | 6:  # integers of 16, 32 and 64 bits
                self.numbers[path] = self._signed()
            case 7:  # a double
                self._skip(8)
            case 8:  # bytes
                self._skip(self._unsigned())
            case 9 | 10:  # a list, a set
                self._elements(path)
            case 12:
                self.struct(path)
            case _:
                raise ThriftError(f"a struct has a field of the unknown kind {kind}")

    def _elements(self, path: tuple[int, ...]) -> None:
        head = self._byte()
        count, kind = head >> 4, head & 0x0F
        for position in range(self._unsigned() if count == 0x0F else count):
            if kind in {1, 2}:  # as elements they take a byte each
                self._skip(1)
            else:
                self._value(kind, (*path, position))

    def _byte(self) -> int:
        byte = self.data[self.position]
        self.position += 1
        return byte

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self.data):
            raise IndexError

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ThriftError("a number is too long")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
