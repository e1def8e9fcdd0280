"""`probe`: asks the person, runs the probe, and prints the exchanges."""

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from campaign.cli.options import with_options
from campaign.domain.errors import StoppedError, UsageError
from campaign.domain.text.lines import sanitize_for_terminal

if TYPE_CHECKING:
    from campaign.app.preflight.exchanges import Exchange
    from campaign.app.preflight.probe import Probed
    from campaign.settings import Settings


@with_options("entity", "yes", "timeout", "proxy", "ca_file", "json_output", "log_level")
def probe(
    to: Annotated[str, typer.Option(help="Your own pass, which gets the message.", metavar="PASS_ID")],
    *,
    message: Annotated[str | None, typer.Option(help="The text to send. Default: a short one with the time.", metavar="TEXT")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the batch instead of sending it: nothing is sent.")] = False,
    settings: "Settings",
) -> None:
    from campaign.app.preflight import probe as probes
    from campaign.cli.process import run_loop
    from campaign.cli.screen.output import print_json
    from campaign.cli.screen.terminal import agree, listen

    plan = probes.plan_of(to, message, settings, cancels=cancel)
    if not settings.yes and not cancel:
        what = f"This sends 1 message by a batch to the pass {plan.pass_id} alone. It reads: {plan.text}"
        try:
            agreed = agree(what, "Send?")
        except KeyboardInterrupt:
            raise StoppedError("Nothing was sent.", code="interrupted") from None
        if not agreed:
            raise UsageError("Nothing was sent. Add --yes to send without confirmation, or --cancel to send nothing.", code="not_agreed")
    exchanges: list[Exchange] = []

    async def work() -> "Probed":
        stop = listen("Stopping: a batch that was not sent is cancelled. {again} to leave it as it is.")
        printed = _Printer()
        return await probes.probe(plan, settings, stop=stop, tell=exchanges.append if settings.json_output else printed.exchange)

    probed = run_loop(work())
    if settings.json_output:
        print_json(probed.as_json() | {"exchanges": [one.as_json() for one in exchanges]})
    else:
        sys.stdout.write(_in_words(probed))
    raise typer.Exit(probed.exit_code)


class _Printer:
    """Prints each exchange; one with the same answer as before takes one line."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], str] = {}

    def exchange(self, exchange: "Exchange") -> None:
        request = f"{exchange.method} {exchange.path}".strip()
        came = f"{exchange.status or 'no answer'}"
        if self._last.get((exchange.method, exchange.path)) == exchange.answer:
            typer.echo(f"{request}\n  -> {came}, as before\n")
            return
        self._last[exchange.method, exchange.path] = exchange.answer
        typer.echo("\n".join([request, *_indented(exchange.body), f"  -> {came}", *_indented(exchange.answer)]) + "\n")


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.split("\n")] if text else []


def _in_words(probed: "Probed") -> str:
    from campaign.sender.batches.assumptions import Found

    words = {Found.AS_ASSUMED: "as assumed", Found.DIFFERS: "DIFFERS", Found.NOT_SEEN: "not seen"}
    counts = Counter(one.found for one in probed.findings)
    lines = []
    if len(probed.findings) > counts[Found.NOT_SEEN]:
        lines.append("What Campaign assumes of batches (docs/developers/batches.md):")
        for one in probed.findings:
            lines.append(f"  {one.number:>2}. {words[one.found]}: {sanitize_for_terminal(one.assumption)}")
            lines += [f"      {sanitize_for_terminal(text)}" for text in (one.detail, one.remedy) if text]
        lines.append("")
    found = ", ".join(f"{counts[one]} {word}" for one, word in words.items() if counts[one])
    sent = "1 message was sent." if probed.released else "Nothing was sent."
    lines.append(" ".join(filter(None, [sanitize_for_terminal(probed.problem), sanitize_for_terminal(probed.left), sent, f"{found}."])))
    return "\n".join(lines) + "\n"
