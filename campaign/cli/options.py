"""The options that several commands share, each with its help."""

from pathlib import Path
from typing import Annotated

import typer

Ledger = Annotated[str | None, typer.Option(help="Where campaigns are kept: a file.", metavar="PATH", rich_help_panel="Where things are")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.", rich_help_panel="Output")]
Name = Annotated[
    str | None, typer.Option(help="The campaign's name; without it, the list's file name.", rich_help_panel="The list and the message")
]
Message = Annotated[
    str | None,
    typer.Option(
        help="The text to send; {{ column }} puts in a value of the list.", metavar="TEXT", rich_help_panel="The list and the message"
    ),
]
Template = Annotated[
    Path | None, typer.Option(help="A file with the text to send.", metavar="FILE", rich_help_panel="The list and the message")
]
Templates = Annotated[
    Path | None,
    typer.Option(help="The folder of the files that a “template” column names.", metavar="DIR", rich_help_panel="The list and the message"),
]
IdColumn = Annotated[
    str | None, typer.Option(help="The column of the pass IDs.", metavar="COLUMN", rich_help_panel="The list and the message")
]
MaxLength = Annotated[
    int | None, typer.Option(help="Longest message, in characters. Default 350.", rich_help_panel="The list and the message")
]
Results = Annotated[
    Path | None,
    typer.Option(
        help="Results file: .csv, .parquet, .jsonl or .xlsx. Default: beside the list.", metavar="FILE", rich_help_panel="Where things are"
    ),
]
Rate = Annotated[str | None, typer.Option(help="Sends per second. Default 9; the API allows 10.", rich_help_panel="Sending")]
Concurrency = Annotated[int | None, typer.Option(help="Sends under way at once; without it, as the rate needs.", rich_help_panel="Sending")]
MaxAttempts = Annotated[
    int | None, typer.Option(help="Tries of a row that was provably not accepted. Default 5.", rich_help_panel="Sending")
]
Limit = Annotated[int | None, typer.Option(help="Stop after so many sends; the rest stays for later.", rich_help_panel="Sending")]
Halt = Annotated[
    str | None,
    typer.Option(
        help="Stop when so many sends fail: 20% of the last hundred, or 500 in all.", metavar="20%|500", rich_help_panel="Sending"
    ),
]
OnUnknown = Annotated[
    str | None,
    typer.Option(
        help="A message that may have arrived: verify (default) reads the pass back, hold leaves it to you, "
        "resend sends it again, perhaps twice.",
        metavar="verify|hold|resend",
        rich_help_panel="Sending",
    ),
]
QuietPeriod = Annotated[
    str | None, typer.Option(help="How long to wait before a pass is read back. Default 10s.", metavar="10s", rich_help_panel="Sending")
]
Timeout = Annotated[str | None, typer.Option(help="How long to wait for an answer. Default 30s.", metavar="30s", rich_help_panel="Sending")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Send without asking.", rich_help_panel="Sending")]
