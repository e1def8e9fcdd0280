"""`campaign`, also `python -m campaign`."""

import os

from campaign.cli.process import ensure_stdio

__all__ = ["main"]


def main() -> None:
    ensure_stdio()
    # pydantic would look through everything that is installed for plugins of its own, at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Imported only now: what it opens must not get the number of a standard stream that is closed.
    from campaign.cli.main import main as command  # noqa: PLC0415 - see above

    command()


if __name__ == "__main__":
    main()
