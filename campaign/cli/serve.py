"""`serve`: the console in a browser."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from campaign.app.options import NETWORK
from campaign.cli.flags import takes

if TYPE_CHECKING:
    from campaign.settings import Settings

_WHERE = "Where it listens"
Folder = Annotated[
    Path | None,
    typer.Option(help="Where users, uploads and drafts are kept. Default: console, beside the ledger.", metavar="DIR", show_default=False),
]


@takes("ledger", *NETWORK, "log_level", "log_file")
def serve(
    *,
    host: Annotated[
        str | None,
        typer.Option(help="Default 127.0.0.1, this machine alone; any other needs users.", metavar="HOST", rich_help_panel=_WHERE),
    ] = None,
    port: Annotated[str | None, typer.Option(help="Default 8321; 0 takes any free one.", metavar="NUMBER", rich_help_panel=_WHERE)] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="A certificate, with its chain, in PEM; serves by https.", metavar="FILE", rich_help_panel=_WHERE)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key.", metavar="FILE", rich_help_panel=_WHERE)] = None,
    behind_proxy: Annotated[
        bool | None, typer.Option("--behind-proxy", help="A proxy serves it by https.", rich_help_panel=_WHERE, show_default=False)
    ] = None,
    folder: Folder = None,
    require_approval: Annotated[
        str | None, typer.Option(help="More recipients than this need a second person, an approver.", metavar="NUMBER")
    ] = None,
    most_upload: Annotated[str | None, typer.Option(help="The largest list that may be uploaded. Default 1GB.", metavar="SIZE")] = None,
    settings: "Settings",
) -> None:
    check_installed()
    from campaign.cli.loop import run_loop
    from campaign.console.serve import serve as run
    from campaign.console.serving import Serving

    serving = Serving.read(
        host=host,
        port=port,
        folder=folder,
        require_approval=require_approval,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
        most_upload=most_upload,
    )

    def ready(url: str, link: str) -> None:
        once = "\nThe link works once, for one browser; campaign user link makes another." if link != url else ""
        sys.stdout.write(f"The console is at {link}{once}\nPress Ctrl-C to end it; what is being sent goes on.\n")
        sys.stdout.flush()

    raise typer.Exit(run_loop(run(serving, settings, lambda found: ready(found.url, found.link))))


def check_installed() -> None:
    """See that the extra is there.

    Raises:
        UsageError: it is not; says how to get it.
    """
    from importlib.util import find_spec

    from campaign.domain.errors import UsageError

    if find_spec("cryptography") is None:
        raise UsageError(
            "The console is an extra that is not installed: pip install 'campaign[console]'", code="extra_missing", extra="console"
        )
