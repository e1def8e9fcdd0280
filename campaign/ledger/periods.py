"""How long things last in a ledger, whichever it is."""

from typing import Final

LEASE_SECONDS: Final = 30.0
"""How long a runner may send after its last renewal."""

HOLD_SECONDS: Final = 30.0
"""How long who took a doubt has it to himself: longer than the reading of what is taken together may last."""

DAY_SECONDS: Final = 86_400.0
"""How far back a cap on messages per pass looks; nothing younger is forgotten."""

RECENT_SECONDS: Final = 10.0
"""Over how long the rate of a campaign is taken."""
