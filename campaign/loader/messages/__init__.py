"""The messages of a list: one text per row, from `--message`, `--template`, a `message` column, or a `template` column.

Templates are untrusted. `translate` parses one and rewrites it for minijinja, so that every operation is a function of `functions`, whose
cost is bounded before it runs. `template` runs it with a budget for each row.
"""

from campaign.loader.messages.resolve import Messages, plan_messages
from campaign.loader.messages.result import (
    Rendered,
    RenderedBatch,
    as_it_was,
    cells_in,
    length_as_shown,
    one_line_end,
)
from campaign.loader.messages.variables import variables

__all__ = [
    "Messages",
    "Rendered",
    "RenderedBatch",
    "as_it_was",
    "cells_in",
    "length_as_shown",
    "one_line_end",
    "plan_messages",
    "variables",
]
