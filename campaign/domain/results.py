"""The columns of a results file that are not the list's own, in the order in which they are written."""

from typing import Final

RESULT_COLUMNS: Final = (
    "delivery_status",
    "delivery_reason",
    "delivery_message",
    "delivery_notification_status",
    "delivery_notification_message",
    "delivery_http_status",
    "delivery_error",
    "delivery_attempts",
    "delivery_sent_at",
    "delivery_settled_at",
    "delivery_latency_ms",
    "delivery_campaign",
    "delivery_row",
)
