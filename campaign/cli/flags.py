"""Gives a command its options, and hands it what they and the environment come to, as `Settings`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from campaign.cli.options import OPTIONS


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's keyword `settings` by these options of `OPTIONS`; it is called with the `Settings` that result."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:
            from campaign.cli import logs
            from campaign.settings import Settings

            # Once before the settings are known: something may be wrong with a line of `.env`.
            logs.configure()
            settings = Settings.read(**{name: given.pop(name) for name in names})
            logs.configure(settings.log_level, file=settings.log_file if "log_file" in names else None)
            command(**given, settings=settings)

        own = [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "settings"]
        options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=OPTIONS[name]) for name in names]
        parameters = [*own, *options]
        # typer reads both; __wrapped__ would lead it past them.
        called.__dict__.pop("__wrapped__")
        called.__dict__["__signature__"] = inspect.Signature(parameters)
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return decorate
