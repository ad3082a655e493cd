"""The commands as one program: how they are found, how they are interrupted, how they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, cast

import anyio
from cyclopts import App, CycloptsError

from fairdeploy.cli.commands.table import COMMANDS, PURPOSE
from fairdeploy.cli.exit_code import ExitCode, of_error
from fairdeploy.errors import FairdeployError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["program", "run"]

_DRIVING: Final = ("deploy", "rollback")
"""Commands whose rollout goes back when they are interrupted."""
_GOES_BACK: Final = "going back first"
_ONLY_ENDS: Final = "this command ends, and sends no rollout back"


def program() -> App:
    """Return the program, with nothing loaded yet but the parser."""
    app = App(
        name="fairdeploy",
        help=PURPOSE,
        version=lambda: version("fairdeploy"),
        help_format="plaintext",
        result_action="return_value",
    )
    for name, (where, help_) in COMMANDS.items():
        app.command(f"fairdeploy.cli.commands.{where}", name=name, help=help_, version_flags=[])
    app.register_install_completion_command()
    return app


def run(words: Sequence[str]) -> int:
    """Run a command to its end, and return its exit status."""
    app = program()
    try:
        command, bound, _ = app.parse_args(words, exit_on_error=False)
        if not _is_ours(command):
            app(words, exit_on_error=False)
            return ExitCode.OK
        work = cast("Callable[..., Awaitable[ExitCode]]", command)
        told = _GOES_BACK if command.__name__ in _DRIVING else _ONLY_ENDS
        return anyio.run(_interruptible, lambda: work(*bound.args, **bound.kwargs), told)
    except CycloptsError:
        return ExitCode.USAGE  # it has said why
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _is_ours(command: object) -> bool:
    return getattr(command, "__module__", "").startswith("fairdeploy.cli.commands")


async def _interruptible(work: Callable[[], Awaitable[ExitCode]], told: str) -> int:
    """Run a command; the first SIGINT or SIGTERM sends back what it has begun, the second ends it at once."""
    code: int = ExitCode.OK
    async with anyio.create_task_group() as tasks:

        async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            nonlocal code
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                task_status.started()
                async for number in signals:
                    code = 128 + number
                    print(f"\n{number.name}: {told}; once more to leave at once", file=sys.stderr)
                    break
            tasks.cancel_scope.cancel()

        await tasks.start(listen)
        code = await _told(work)
        tasks.cancel_scope.cancel()
    return code


async def _told(work: Callable[[], Awaitable[ExitCode]]) -> int:
    try:
        return await work()
    except BrokenPipeError:
        # Whoever read has had enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except FairdeployError as error:
        print(f"fairdeploy: {error}", file=sys.stderr)
        return of_error(error)
