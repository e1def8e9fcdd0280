"""What the loader starts to read a list apart need not import itself."""

from tests.console.conftest import quick_start

__all__ = ["quick_start"]
