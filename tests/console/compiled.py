"""The templates of the console's pages, compiled once for all consoles of a process: to compile them takes longer than most tests."""

from functools import partial
from types import CodeType
from typing import Final

import jinja2
from jinja2.bccache import Bucket


class _Compiled(jinja2.BytecodeCache):
    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key, bucket.checksum] = bucket.code


ENVIRONMENT: Final = partial(jinja2.Environment, bytecode_cache=_Compiled())
