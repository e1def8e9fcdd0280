"""The first screen. Commands are built when they are needed, and rich is not loaded for it: both take longer than all else that it does."""

import os
from collections.abc import Callable, Iterator, MutableMapping
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperGroup

from campaign.domain.errors import UsageError


class Said(NamedTuple):
    """What the first screen has to say of a command."""

    panel: str
    name: str
    text: str


class Commands(MutableMapping[str, Any]):
    """By name, in the order in which they are shown; a command's value is what typer makes of it."""

    def __init__(self) -> None:
        self._unbuilt: dict[str, Callable[[], Any]] = {}
        self._built: dict[str, Any] = {}
        self.said: list[Said] = []

    def add(self, name: str, function: Callable[..., None], *, text: str, panel: str) -> None:
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        alone.command(name, help=text)(function)
        self.add_group(name, alone, text=text, panel=panel)

    def add_removed(self, name: str, instead: str) -> None:
        """A command of an earlier version: with any words behind it, it says what to do instead."""
        alone = typer.Typer(add_completion=False)
        anything = {"ignore_unknown_options": True, "allow_extra_args": True}

        @alone.command(name, hidden=True, add_help_option=False, context_settings=anything)
        def removed() -> None:
            raise UsageError(f"campaign {name} was removed. {instead}", code="removed_command", command=name)

        self._unbuilt[name] = lambda: typer.main.get_command(alone)

    def add_group(self, name: str, group: typer.Typer, *, text: str, panel: str) -> None:
        self._unbuilt[name] = lambda: typer.main.get_command(group)
        self.said.append(Said(panel, name, text.partition("\n\n")[0]))

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = self._unbuilt[name]()
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._unbuilt[name] = lambda: command

    def __delitem__(self, name: str) -> None:
        del self._unbuilt[name]
        self._built.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._unbuilt)

    def __len__(self) -> int:
        return len(self._unbuilt)


def group_of(commands: Commands) -> type[TyperGroup]:
    """The class of a group that has these commands."""

    class Group(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes | {"commands": cast("dict[str, Any]", commands)})

        def list_commands(self, ctx: Any) -> list[str]:
            del ctx
            return list(commands)

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if not args and not ctx.resilient_parsing:
                # typer leaves it to rich to print what is no mistake, and rich has nothing to do with this screen.
                typer.echo(ctx.get_help(), color=ctx.color)
                ctx.exit(2)
            return super().parse_args(ctx, args)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            self.format_usage(ctx, formatter)
            self.format_help_text(ctx, formatter)
            self.format_options(ctx, formatter)
            self.format_epilog(ctx, formatter)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            del ctx
            # Off a terminal click takes it out again; this kind of terminal would print it as it is.
            bold = os.environ.get("TERM") != "dumb"
            for panel, of_panel in groupby(commands.said, attrgetter("panel")):
                with formatter.section(panel):
                    formatter.write_dl([(typer.style(said.name, bold=True) if bold else said.name, said.text) for said in of_panel])

    return Group
