"""Gives a command its options, and hands it what they and the environment come to, as `Settings`."""

import functools
import inspect
from collections.abc import Callable
from copy import copy
from typing import Annotated, Any, get_args

from campaign.cli.options import OPTIONS


def takes(*names: str, **said: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's keyword `settings` by these options of `OPTIONS`; it is called with the `Settings` that result.

    `said` are options, too, with what a command has to say of each.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:
            from campaign.cli import logs
            from campaign.cli.misnamed import misnamed
            from campaign.settings import Settings

            # Once before the settings are known: something may be wrong with a line of `.env`.
            logs.expect()
            settings = Settings.read(**{name: given.pop(name) for name in (*names, *said)})
            # A database that is lost and found again is told of by the ledger, which knows of no expectations.
            if "log_file" in names or not settings.ledger_is_a_file:
                logs.configure(settings.log_level, file=settings.log_file if "log_file" in names else None)
            else:
                logs.expect(settings.log_level)
            for sentence in misnamed():
                logs.tell("unknown_setting", sentence)
            command(**given, settings=settings)

        own = [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "settings"]
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, said.get(name)))
            for name in (*names, *said)
        ]
        parameters = [*own, *options]
        # typer reads both; __wrapped__ would lead it past them.
        called.__dict__.pop("__wrapped__")
        called.__dict__["__signature__"] = inspect.Signature(parameters)
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return decorate


def _option(name: str, said: str | None) -> Any:
    if said is None:
        return OPTIONS[name]
    kind, option = get_args(OPTIONS[name])
    own = copy(option)
    own.help = said
    return Annotated[kind, own]
