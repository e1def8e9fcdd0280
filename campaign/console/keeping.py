"""The console's folder: made for this user alone, and opened."""

import os
from pathlib import Path

import apsw

from campaign.console.store import Store
from campaign.domain.errors import UsageError


def open_store(folder: Path) -> Store:
    """What the console keeps in this folder, which is made where it is missing.

    Raises:
        UsageError: it can't be, or others may look into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if hasattr(os, "getuid") and found.st_mode & 0o077:
            raise UsageError(
                f"Others may look into {folder}, where users and lists are kept. Close it: chmod 700 {folder}", code="open_to_others"
            )
        return Store(folder / "console.db")
    except OSError as error:
        raise UsageError(
            f"The console can't keep anything in {folder}: {os.strerror(error.errno or 0)}. Name another by --folder.",
            code="folder_not_writable",
        ) from error
    except apsw.Error as error:
        raise UsageError(
            f"{folder / 'console.db'} can't be used ({error}). Name another folder by --folder, or mend this one.", code="console_damaged"
        ) from error
