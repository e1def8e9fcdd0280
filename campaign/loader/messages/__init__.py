"""What each row is told: one text per row, from `--message`, `--template`, a `message` column, or a `template` column.

Templates are written by people who are not trusted with a program, so what a template may say is a short list (`grammar`), every
operation is bounded before it runs (`bounds`, `filters`), and all of it is paid from a budget of work (`sandbox`).
"""

from campaign.loader.messages.fields import variables
from campaign.loader.messages.length import length_as_shown
from campaign.loader.messages.plan import plan_messages
from campaign.loader.messages.rendered import MAX_WASTED_UNITS, MessageLimits, Messages, Rendered
from campaign.loader.messages.text import as_it_was

__all__ = ["MAX_WASTED_UNITS", "MessageLimits", "Messages", "Rendered", "as_it_was", "length_as_shown", "plan_messages", "variables"]
