"""`retry`: parse, call, print."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campaign.app.options import LOOKING, NETWORK, SENDING, WATCHED
from campaign.cli.flags import takes
from campaign.cli.send import conduct

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from campaign.app.question import Question
    from campaign.app.session import Finished, Front
    from campaign.settings import Settings

_PANEL = "Which rows"
_TWICE = "Some of these messages may have arrived, though nobody could tell: who got one of them gets it twice."


def _several(text: str, metavar: str) -> Any:
    return Annotated[
        list[str] | None, typer.Option(help=f"{text} Several: with commas, or again.", metavar=metavar, rich_help_panel=_PANEL)
    ]


@takes("message", "template", "templates", "id_column", "max_length", *SENDING, *NETWORK, "results", *LOOKING, *WATCHED)
def retry(
    target: Annotated[
        str,
        typer.Argument(help="The campaign's name, or its results or failed-rows file, corrected or as it was.", metavar="NAME|RESULTS"),
    ],
    *,
    rows: Annotated[
        str | None,
        typer.Option(help="Only rows whose pass is in this list, whatever else is in it.", metavar="FILE", rich_help_panel=_PANEL),
    ] = None,
    status: _several("failed (default), not_delivered or unknown.", "STATUS") = None,  # type: ignore[valid-type]  # typer reads it when run
    reason: _several("Only rows with this delivery_reason.", "REASON") = None,  # type: ignore[valid-type]  # (same)
    http_status: _several("Only rows that were answered so.", "CODE") = None,  # type: ignore[valid-type]  # (same)
    settings: "Settings",
) -> None:
    from campaign.app import reruns
    from campaign.domain.model import Status
    from campaign.domain.selection import selection_of

    selection = selection_of(_parts(status), _parts(reason), _parts(http_status))
    warns = Status.UNKNOWN in selection.statuses

    def again(front: "Front") -> "Coroutine[Any, Any, Finished]":
        return reruns.retry(target, selection, settings, _warning(front) if warns else front, rows=rows)

    conduct(again, settings, _label(target))


def _label(target: str) -> str:
    """What notices and figures call the run until its campaign is found: never a URL that may hold a secret."""
    from campaign.domain.places import place_of

    try:
        place_of(target)
    except ValueError:
        return "retry"
    return target


def _warning(front: "Front") -> "Front":
    def confirm(question: "Question") -> bool:
        typer.echo(_TWICE, err=True)
        return front.confirm(question)

    return replace(front, confirm=confirm)


def _parts(given: list[str] | None) -> list[str]:
    from campaign.domain.selection import parts_of

    return [part for text in given or [] for part in parts_of(text)]
