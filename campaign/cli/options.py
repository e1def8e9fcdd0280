"""The options that are settings, in the groups that commands have. Each may also come from the environment and from `.env`.

`with_options` gives a command its options, and passes it the resulting `Settings`.
"""

import functools
import inspect
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer

_LIST: Final = "The list and the message"
_SENDING: Final = "Sending"
_WHEN: Final = "When"
_WHOM: Final = "Recipients"
_PLACES: Final = "Files"
_OUTPUT: Final = "Output"
_NETWORK: Final = "The network"
_ENGINE: Final = "Several machines"


def _option(kind: type, text: str, metavar: str | None, panel: str, *declarations: str) -> Any:
    # None is a flag that was not given, which must not override the environment.
    return Annotated[kind | None, typer.Option(*declarations, help=text, metavar=metavar, rich_help_panel=panel, show_default=False)]


MESSAGE: Final[dict[str, Any]] = {
    "query": _option(Path, "The SQL of a list that is duckdb: or postgresql://..., in a file.", "FILE.sql", _LIST),
    "message": _option(str, "The text to send; {{ column }} inserts a value of the list.", "TEXT", _LIST),
    "template": _option(Path, "A file with the text to send.", "FILE", _LIST),
    "templates": _option(Path, "The folder of the files that a “template” column names.", "DIR", _LIST),
    "id_column": _option(str, "The column of the pass IDs.", "COLUMN", _LIST),
    "header_row": _option(str, "The line of the header, if a title is above it. Default: the first that is not blank.", "NUMBER", _LIST),
    "max_length": _option(str, "Longest message, in characters. Default 350.", "NUMBER", _LIST),
    "lock_screen": _option(str, "Characters that a lock screen shows; check warns of longer messages. Default 140.", "NUMBER", _LIST),
}
SENDING: Final[dict[str, Any]] = {
    "window": _option(str, "Hours of the day in which to send; may span midnight.", "09:00-20:00", _WHEN),
    "time_zone": _option(
        str, "Time zone of the hours, such as Europe/Berlin; a time_zone column of the list takes precedence.", "ZONE", _WHEN
    ),
    "start_at": _option(str, "Do not send before this time.", "TIME", _WHEN),
    "not_after": _option(str, "The promotion's end: rows not sent by then are skipped.", "TIME", _WHEN),
    "no_wait": _option(bool, "Exit instead of waiting for the time to send.", None, _WHEN, "--no-wait"),
    "exclude": _option(list[str], "A list of passes to exclude; may be given several times.", "FILE", _WHOM),
    "only_reachable": _option(bool, "Read the passes first, and skip those that are not in a wallet.", None, _WHOM, "--only-reachable"),
    "daily_cap": _option(str, "Most messages to a pass in 24 hours, over all campaigns. Default 3; 0 is no limit.", "NUMBER", _WHOM),
    "sample": _option(str, "Send to this many rows, drawn at random; the rest can be sent later.", "NUMBER", _WHOM),
    "seed": _option(str, "Seed of the sample.", "NUMBER", _WHOM),
    "canary": _option(str, "Send this many first, and continue only if few of them fail (--halt, else 20%).", "NUMBER", _SENDING),
    "via": _option(
        str,
        "How to send: single (default), one request per row, or batch, by PassEntry's batches (unconfirmed).",
        "WAY",
        _SENDING,
    ),
    "entity": _option(str, "For batches: the ID of your entity at PassEntry.", "ID", _SENDING),
    "rate": _option(str, "Sends per second. Default 9; the API allows 10.", "NUMBER", _SENDING),
    "limit": _option(str, "Stop after this many sends; the rest can be sent later.", "NUMBER", _SENDING),
    "yes": _option(bool, "Send without confirmation.", None, _SENDING, "--yes", "-y"),
    "moved_here": _option(
        bool,
        "Confirm, once, that this ledger was moved, copied or restored, together with its -wal file if there was one, and that nothing is "
        "sent from its old place.",
        None,
        _SENDING,
        "--moved-here",
    ),
    "halt": _option(str, "Stop when this many sends fail: 20% of the last hundred, or 500 in all.", "20%|500", _SENDING),
    "baseline": _option(
        bool,
        "Read each pass just before its message, so that unknown rows can almost always be settled.",
        None,
        _SENDING,
        "--baseline",
    ),
    "on_unknown": _option(
        str,
        "A message that may have arrived: verify (default) reads the pass, hold leaves it to you, "
        "resend sends it again, with the risk of a duplicate.",
        "POLICY",
        _SENDING,
    ),
    "quiet_period": _option(str, "How long to wait, at least, before a pass is read to verify a message. Default 10s.", "10s", _SENDING),
    "timeout": _option(str, "How long to wait for an answer. Default 30s.", "30s", _SENDING),
    "max_attempts": _option(str, "Attempts of a row that was provably not accepted. Default 5.", "NUMBER", _SENDING),
    "concurrency": _option(str, "Concurrent sends. Default: as many as the rate needs.", "NUMBER", _SENDING),
}
NETWORK: Final[dict[str, Any]] = {
    "budget": _option(
        str,
        "Share one rate with all tokens that use this name, as limits count per organisation. Default: one rate for each token.",
        "NAME",
        _SENDING,
    ),
    "proxy": _option(str, "The HTTP proxy to the API. Default: HTTPS_PROXY and NO_PROXY.", "http://HOST:PORT", _NETWORK),
    "ca_file": _option(Path, "Certificates to trust in addition to the system's, such as your company's own.", "FILE.pem", _NETWORK),
}
LOOKING: Final[dict[str, Any]] = {
    "ledger": _option(str, "The database of campaigns: a file, or postgresql://... Default: in your data folder.", "PATH|URL", _PLACES),
    "json_output": _option(bool, "Print one JSON object instead of text.", None, _OUTPUT, "--json"),
    "log_level": _option(str, "debug, info, warning or error.", "LEVEL", _OUTPUT),
}
ENGINE: Final[dict[str, Any]] = {
    "engine": _option(str, "What sends: here (default), this process; ray, workers of a Ray cluster.", "ENGINE", _ENGINE),
    "address": _option(str, "The Ray cluster's address, or auto. Default: start one on this machine alone.", "HOST:PORT", _ENGINE),
    "workers": _option(str, "Number of workers. Default 4.", "NUMBER", _ENGINE),
}
WATCHED: Final[dict[str, Any]] = {
    "log_file": _option(Path, "A file for the log, one JSON line an event, instead of stderr.", "FILE", _OUTPUT),
    "metrics_file": _option(Path, "A metrics file for Prometheus's node_exporter, kept up to date.", "FILE.prom", _OUTPUT),
    "notify_on": _option(str, "When to notify: finished, failed, stopped. Default all. Addresses: CAMPAIGN_NOTIFY.", "WHEN,WHEN", _OUTPUT),
}
OPTIONS: Final[dict[str, Any]] = {
    **MESSAGE,
    **SENDING,
    **NETWORK,
    **LOOKING,
    **ENGINE,
    **WATCHED,
    "name": _option(str, "The campaign's name. Default: the list's file name.", "NAME", _LIST),
    "results": _option(str, "Results file: .csv, .parquet, .jsonl or .xlsx. Default: beside the list.", "FILE", _PLACES),
    "dry_run": _option(bool, "Do everything but sending; the same as check.", None, _SENDING, "--dry-run"),
}
"""Every option that is a setting. A command takes a whole group, or options by name."""


def with_options(*names: str, **said: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's keyword `settings` by these options of `OPTIONS`; the command is called with the resulting `Settings`.

    `said` are further options, each with its own help text for this command.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:
            from campaign.cli.logs import setup as logs
            from campaign.cli.unknown_env_vars import unknown_env_vars
            from campaign.settings import Settings

            # Called before the settings are read, as a line of `.env` may cause a warning.
            logs.expect()
            settings = Settings.read(**{name: given.pop(name) for name in (*names, *said)})
            # The ledger logs when its database is lost and found again, and does not set up a log by itself.
            if "log_file" in names or not settings.ledger_is_a_file:
                logs.configure(settings.log_level, file=settings.log_file if "log_file" in names else None)
            else:
                logs.expect(settings.log_level)
            for sentence in unknown_env_vars():
                logs.tell("unknown_setting", sentence)
            command(**given, settings=settings)

        own = [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "settings"]
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name, said.get(name)))
            for name in (*names, *said)
        ]
        parameters = [*own, *options]
        # typer reads both; with __wrapped__ it would read those of the original command.
        called.__dict__.pop("__wrapped__")
        called.__dict__["__signature__"] = inspect.Signature(parameters)
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return decorate


def _annotation(name: str, said: str | None) -> Any:
    if said is None:
        return OPTIONS[name]
    kind, option = get_args(OPTIONS[name])
    own = copy(option)
    own.help = said
    return Annotated[kind, own]
