"""`simulate` and `demo`: PassEntry on loopback, and the sample campaign against it."""

from pathlib import Path
from typing import Annotated

import typer

from campaign.domain.errors import UsageError


def simulate(
    *,
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 takes any free one.")] = 8080,
    limit: Annotated[int, typer.Option(help="Requests a second; 0 is no limit.")] = 10,
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault and its probability, such as cut_after=5%. May be given several times.")
    ] = None,
    taken_then: Annotated[
        str, typer.Option(help="The statuses that --fault taken_then=10% answers after it has taken the message.", metavar="408,499")
    ] = "408,425,499,460",
    forbidden: Annotated[
        list[str] | None, typer.Option(help="A pass of another owner, answered 403. May be given several times.", metavar="ID")
    ] = None,
    portal: Annotated[
        str, typer.Option(help="Answer everything as a captive portal: with a page, json, or a redirect, 301, 302 or 307.", metavar="page")
    ] = "",
    entity: Annotated[
        list[str] | None,
        typer.Option(help="An entity that can send batches. May be given several times. Default: simulated-entity.", metavar="ID"),
    ] = None,
    batches: Annotated[
        str, typer.Option(help="on, off (batches are refused as a beta feature), or terms (refused until the terms are accepted).")
    ] = "on",
    batch_fault: Annotated[
        list[str] | None,
        typer.Option(
            help="A fault of batches and its probability, such as create_cut_after=5% or sending_stuck=5%. May be given several times."
        ),
    ] = None,
    latency: Annotated[str, typer.Option(help="Response time.", metavar="50ms")] = "0ms",
    token: Annotated[list[str] | None, typer.Option(help="A valid token; may be given several times. Default: any token is valid.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the faults.")] = 0,
    audit_file: Annotated[
        Path | None, typer.Option(help="A file that each processed message is appended to at once.", metavar="FILE")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the address as a JSON object.")] = False,
) -> None:
    from campaign.setting_types import given_duration, given_path
    from campaign.simulator.batches.faults import parse_batch_faults
    from campaign.simulator.config import ENTITY, Latency, SimulatorConfig
    from campaign.simulator.faults import parse_faults
    from campaign.simulator.server import serve

    seconds = given_duration("--latency", latency)
    try:
        statuses = tuple(int(status) for status in taken_then.split(","))
    except ValueError:
        raise UsageError(f"--taken-then {taken_then}: give statuses such as 408,499.", code="bad_value", option="--taken-then") from None
    config = SimulatorConfig(
        port=port,
        limit_per_second=limit,
        taken_then=statuses,
        forbidden=frozenset(forbidden or []),
        portal=portal,
        faults=parse_faults(fault or []),
        entities=frozenset(entity or [ENTITY]),
        batches=batches,
        batch_faults=parse_batch_faults(batch_fault or []),
        latency=Latency(low_seconds=seconds, high_seconds=seconds),
        tokens=frozenset(token or []),
        seed=seed,
        audit_file=given_path("--audit-file", audit_file) if audit_file is not None else None,
    )
    raise typer.Exit(serve(config, json=json_output))


def demo(
    *,
    rate: Annotated[float, typer.Option(help="Sends per second; the simulator allows ten more.", min=1)] = 100.0,
    folder: Annotated[
        Path | None, typer.Option(help="The folder for the ledger and results. Default: a temporary folder.", metavar="DIR")
    ] = None,
) -> None:
    from campaign.app.demo import run_demo
    from campaign.cli.logs import setup as logs
    from campaign.cli.process import run_loop
    from campaign.cli.screen.output import print_demo
    from campaign.cli.screen.run_monitor import RunProgress
    from campaign.cli.screen.terminal import listen
    from campaign.setting_types import given_path

    folder = given_path("--folder", folder) if folder is not None else None
    logs.configure("warning")
    demo = run_loop(run_demo(rate_per_second=rate, folder=folder, watch=RunProgress, listen=listen))
    print_demo(demo)
    raise typer.Exit(demo.exit_code)
