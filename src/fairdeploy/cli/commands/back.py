"""Go back, and bring what dead programs left to an end."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from fairdeploy.cli.confirming import confirmed
from fairdeploy.cli.ending import ended
from fairdeploy.cli.exit_code import ExitCode, of_result
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.configuration.session import each_backend, opened
from fairdeploy.errors import FairdeployError, NoWayBack
from fairdeploy.model import RolloutResult
from fairdeploy.model.canonical import plain

__all__ = ["recover", "rollback"]


async def rollback(
    target: str,
    *,
    to: str | None = None,
    reason: str = "",
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Go back to the version before, or to a named one: at once if it is still warm.

    A rollout under way is aborted, if no version is named.

    Args:
        target: Name of the target in the configuration.
        to: A version or revision; default: the last verified one before the present.
        reason: For the record.
        yes: Agree beforehand.
    """
    async with opened(shared.configuration(), target) as session:
        what = f"This takes {target!r} back to {to or 'the version before'}"
        await confirmed(what, f"fairdeploy rollback {target}", shared.out, yes=yes)
        try:
            result = await session.deployer.rollback(session.target, to=to, reason=reason)
        except NoWayBack as error:
            raise NoWayBack(f"{error}: fairdeploy history {target} lists what was there") from error
        await ended(session, result, shared.out, back=True)
    # Asked for, and done: going back is no failure here.
    return of_result(result) if str(result.outcome) == "needs_attention" else ExitCode.OK


async def recover(*, shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Bring what dead programs left to an end, on every backend of the configuration.

    Exits with 4 if a person is needed; else with 1 if a backend could not be asked, after all others were.
    """
    configuration = shared.configuration()
    results, unasked = list[RolloutResult](), False
    for name in configuration.backends:
        try:
            async with each_backend(configuration, name) as deployer:
                results += await deployer.recover()
        except FairdeployError as error:
            unasked = True
            shared.out.complain(f"fairdeploy: backend {name!r} was not recovered: {error}")
    text = "\n".join(str(result) for result in results) or "nothing was left behind"
    shared.out.result([plain(result) for result in results], text, kind="recovered")
    left = any(str(result.outcome) == "needs_attention" for result in results)
    if left:
        return ExitCode.NEEDS_A_PERSON
    return ExitCode.ERROR if unasked else ExitCode.OK
