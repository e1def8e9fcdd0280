"""The process that reads lists: a list may be huge, or hostile, and neither its memory nor its work may be the pages'.

    python -m campaign.console.drafts.work < ORDER

The order is one JSON object. A line on stdout tells how far it is; what was found is put into the draft's folder, whole.
"""

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from campaign.console.drafts.findings import CHECKED, LOOKED, Looked, as_json
from campaign.console.drafts.looking import look
from campaign.console.drafts.order import Order
from campaign.console.drafts.whole import write_whole
from campaign.console.drafts.wording import without_paths
from campaign.domain.errors import CampaignError, InputError
from campaign.loader.child import restrict

MOST_BYTES: Final = 4 << 30
MOST_SECONDS: Final = 3600


def main() -> None:
    """Do what stdin says."""
    restrict(MOST_BYTES, MOST_SECONDS)
    order = TypeAdapter(Order).validate_json(sys.stdin.buffer.read())
    folder = Path(order.folder)
    match order.task:
        case "look":
            write_whole(folder / LOOKED, as_json(_look(order)))
        case "check":
            from campaign.console.drafts.inspecting import inspect  # noqa: PLC0415 - what it stands on takes half a second to import

            write_whole(folder / CHECKED, as_json(inspect(order)))
        case "mended":
            from campaign.console.campaigns.mended_plan import told  # noqa: PLC0415 - (same)

            sys.stdout.write(json.dumps(told(order)) + "\n")
        case _:
            from campaign.console.drafts.inspecting import exclude  # noqa: PLC0415 - (same)

            sys.stdout.write(json.dumps({"error": exclude(order)}) + "\n")


def _look(order: Order) -> Looked:
    try:
        return look(Path(order.source), order.key, header_row=order.flags.get("header_row"))
    except CampaignError as error:
        guess = error.header_row or 0 if isinstance(error, InputError) else 0
        if not guess and not order.flags.get("header_row"):
            # It can't be used, so there is no reason to keep what may be a gigabyte of customers' data.
            Path(order.source).unlink(missing_ok=True)
        return Looked(key=order.key, error=without_paths(str(error), order.names), header_guess=guess)


if __name__ == "__main__":
    main()
