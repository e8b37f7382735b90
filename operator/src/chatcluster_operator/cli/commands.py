"""How a function becomes a command: shared options, a connection, and errors as a few lines and an exit code."""

import asyncio
import inspect
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import typer

from chatcluster_operator.cli.errors import CliError, ExitCode
from chatcluster_operator.cli.options import OUTPUT, SHARED, Options
from chatcluster_operator.cli.screen import Format, Screen

DEBUG: Final = "KUBECTL_CHAT_DEBUG"
INTERRUPTED: Final = 130

Command = Callable[..., Awaitable[ExitCode | None]]


def command(
    app: typer.Typer, name: str | None = None, *, shows: bool = False, connects: bool = True
) -> Callable[[Command], Command]:
    """Add a command. The function takes a `Session`, then what its own parameters say; `shows`: it has --output.

    One that does not always need a cluster (`connects` false) takes `Options` and a `Screen` in place of the session.
    """

    def register(function: Command) -> Command:
        own = list(inspect.signature(function).parameters.values())[1 if connects else 2 :]
        shared = {**SHARED, "output": OUTPUT} if shows else SHARED
        defaults = {"operator_namespace": Options.operator_namespace, "output": Format.TABLE}
        parameters = [
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
            *(
                inspect.Parameter(
                    option, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(option), annotation=annotation
                )
                for option, annotation in shared.items()
            ),
        ]

        def call(**given: Any) -> None:
            options = Options(**{option: given.pop(option) for option in SHARED})
            screen = Screen(given.pop("output", Format.TABLE))
            if connects:
                sys.exit(run(screen, lambda: _connected(function, options, screen, given)))
            sys.exit(run(screen, lambda: function(options, screen, **given)))

        call.__doc__ = function.__doc__
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        app.command(name or function.__name__)(call)
        return function

    return register


async def _connected(function: Command, options: Options, screen: Screen, given: dict[str, Any]) -> ExitCode | None:
    from chatcluster_operator.cli.session import connect  # noqa: PLC0415 - takes as long to load as all the rest

    async with connect(options, screen) as session:
        return await function(session, **given)


def run(screen: Screen, work: Callable[[], Any]) -> int:
    """Run a command, say what went wrong, and return the exit code."""
    logging.disable(logging.CRITICAL)
    try:
        return int(asyncio.run(work()) or ExitCode.OK)
    except CliError as error:
        _tell(screen, error)
        return int(error.code)
    except BrokenPipeError:
        # Whoever read has seen enough. What is still buffered must not fail once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except KeyboardInterrupt:
        screen.say("stopped")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        remedy = f"Please report it, with what is written when {DEBUG}=1 is set"
        _tell(screen, CliError(f"A defect of this program: {type(error).__name__}: {error}.", remedy))
        return int(ExitCode.PROBLEM)


def _tell(screen: Screen, error: CliError) -> None:
    screen.say(f"error: {error.message}", style="red")
    if error.remedy:
        screen.say(f"       {error.remedy}.")
