"""Faults after which a sender can't tell from the answer whether its message was processed."""

from campaign.simulator.faults import Fault

AMBIGUOUS = frozenset(
    {
        Fault.REFUSE,
        Fault.CUT_BEFORE,
        Fault.CUT_AFTER,
        Fault.HANG_BEFORE,
        Fault.HANG_AFTER,
        Fault.ERROR_BEFORE,
        Fault.ERROR_AFTER,
        Fault.CUT_JSON,
        Fault.CUT_BODY,
        Fault.HTML,
        Fault.HTML_OK,
        Fault.LATE,
        Fault.HUGE,
        Fault.GZIP_BOMB,
        Fault.ENDLESS_HEADERS,
        Fault.DEEP_JSON,
        Fault.TAKEN_THEN,
        Fault.BLOCKED,
    }
)
