"""What a person types on a terminal, read so that Ctrl-C is heard at any moment."""

import select
import sys
from typing import Final

import typer

_LOOK_SECONDS: Final = 0.2


def line(prompt: str) -> str:
    """The line that is typed after a prompt, without its end.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    typer.echo(f"{prompt}: ", nl=False, err=True)
    if sys.platform != "win32":
        # A signal that comes right before a read begins does not interrupt it: its handler would wait for Enter.
        while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            pass
    typed = sys.stdin.readline()
    if not typed:
        raise KeyboardInterrupt
    return typed.rstrip("\r\n")


def agreed(question: str) -> bool:
    """Whether the answer is yes; asked until it is yes or no, and Enter alone is no.

    Raises:
        KeyboardInterrupt: as in `line`.
    """
    while True:
        match line(f"{question} [y/N]").strip().lower():
            case "y" | "yes":
                return True
            case "" | "n" | "no":
                return False
            case _:
                typer.echo("Type y or n.", err=True)
