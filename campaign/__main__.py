"""`campaign`, also `python -m campaign`."""

import os

from campaign.cli.process import ensure_stdio, spare_garbage_collection

__all__ = ["main"]


def main() -> None:
    ensure_stdio()
    spare_garbage_collection()
    # Without this, pydantic searches all installed packages for its plugins at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Arrow's own allocator keeps much of what it frees: while a long list is staged, 40 MB.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Imported only now: files that it opens must not get the descriptor of a closed standard stream.
    from campaign.cli.main import main as command  # noqa: PLC0415 - see above

    command()


if __name__ == "__main__":
    main()
