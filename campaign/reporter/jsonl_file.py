"""Results as JSON lines: one object a row, numbers as numbers, times as ISO 8601 text, null where a number or a time is missing."""

from collections.abc import Iterable
from typing import BinaryIO

import orjson

from campaign.reporter.batches import Batch, readable
from campaign.reporter.layout import Layout


def write_jsonl(sink: BinaryIO, layout: Layout, batches: Iterable[Batch]) -> None:
    """Write every batch."""
    for batch in batches:
        rows = zip(*readable(batch, layout), strict=True)
        sink.writelines(orjson.dumps(dict(zip(layout.names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE) for row in rows)
