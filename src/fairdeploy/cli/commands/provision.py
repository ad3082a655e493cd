"""Bring infrastructure up, and take it down."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from fairdeploy.cli.confirming import confirmed
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.output import document
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.configuration.provisioning import opened_ground

__all__ = ["provision"]


async def provision(
    action: Literal["plan", "apply", "remove"],
    name: str,
    *,
    consent: Annotated[tuple[str, ...], Parameter(name="--consent", negative="")] = (),
    data: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False,
    shared: SharedOptions = DEFAULTS,
) -> ExitCode:
    """Plan, bring up or take down a server or a stack. Exits with 4 if a step failed.

    Args:
        action: plan changes nothing; apply goes on where it was; remove keeps data unless told otherwise.
        name: Of a table below [provision] in the configuration.
        consent: A step of a server that needs it, such as firewall:443; may be given several times.
        data: With remove, also a server's volumes with data.
        yes: Agree beforehand.
    """
    command = f"fairdeploy provision {action} {name}"
    async with opened_ground(shared.configuration(), name) as ground:
        if action == "plan":
            report = await ground.plan()
        elif action == "apply":
            shared.out.say(str(await ground.plan()))
            await confirmed(f"This brings {name!r} up", command, shared.out, yes=yes)
            report = await ground.apply(consent)
        else:
            what = f"This takes {name!r} down" + (", with its data" if data else "")
            await confirmed(what, command, shared.out, yes=yes, name=name)
            report = await ground.remove(data=data)
    shared.out.result(_document(report), report, kind="provision")
    return ExitCode.OK if getattr(report, "ok", True) else ExitCode.NEEDS_A_PERSON


def _document(report: object) -> dict[str, object]:
    if isinstance(report, dict):
        return report
    return {name: str(each) if name == "cost" else each for name, each in document(report).items()}
