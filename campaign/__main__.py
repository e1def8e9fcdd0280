"""`campaign`, also `python -m campaign`."""

from campaign.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
