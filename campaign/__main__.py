"""`campaign`, also `python -m campaign`."""

from campaign.cli.streams import make_sure_of_streams

__all__ = ["main"]


def main() -> None:
    make_sure_of_streams()
    # Imported only now: what it opens must not get the number of a standard stream that is closed.
    from campaign.cli.main import main as command  # noqa: PLC0415 - see above

    command()


if __name__ == "__main__":
    main()
