"""Groups of settings, from which the flags of commands and the keyword arguments of functions are made."""

from typing import Final

MESSAGE: Final = ("query", "message", "template", "templates", "id_column", "header_row", "max_length", "lock_screen")
SENDING: Final = (
    *("window", "time_zone", "start_at", "not_after", "no_wait", "exclude", "only_reachable", "daily_cap", "sample", "seed", "canary"),
    *("via", "entity"),
    *("rate", "limit", "yes", "moved_here", "halt", "baseline", "on_unknown", "quiet_period", "timeout", "max_attempts", "concurrency"),
)
NETWORK: Final = ("budget", "proxy", "ca_file")
LOOKING: Final = ("ledger", "json_output", "log_level")
ENGINE: Final = ("engine", "address", "workers")
WATCHED: Final = ("log_file", "metrics_file", "notify_on")
