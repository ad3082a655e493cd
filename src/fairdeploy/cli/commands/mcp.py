"""Serve assistants, and approve what they propose."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from fairdeploy.cli.confirming import confirmed
from fairdeploy.cli.exit_code import ExitCode
from fairdeploy.cli.shared import DEFAULTS, SharedOptions
from fairdeploy.engine.holder import who
from fairdeploy.errors import InvalidInput, Refused
from fairdeploy.mcp.approvals import Approvals

__all__ = ["approve_plan", "mcp"]

_HERE = ("127.0.0.1", "localhost", "[::1]")


async def mcp(
    *, http: Annotated[str | None, Parameter(name="--http")] = None, shared: SharedOptions = DEFAULTS
) -> ExitCode:
    """Serve assistants by the Model Context Protocol, on standard input and output. Read-only unless configured.

    Args:
        http: Serve streamable HTTP at this host:port of this machine instead, such as 127.0.0.1:8765.
    """
    host, _, port = (http or "").rpartition(":")
    if http is not None and (host not in _HERE or not port.isdecimal()):
        raise InvalidInput(
            f"--http must be host:port with a host of {list(_HERE)!r}, not {http!r}: it asks nobody who they are"
        )
    from fairdeploy.mcp.server import assistant_server  # noqa: PLC0415 -- approving needs no extra

    server = assistant_server(shared.configuration())
    if http is None:
        await server.run_stdio_async()
        return ExitCode.OK
    await server.run_streamable_http_async(host=host.strip("[]"), port=int(port))
    return ExitCode.OK


async def approve_plan(digest: str, *, shared: SharedOptions = DEFAULTS) -> ExitCode:
    """Read a plan that an assistant proposed, and approve it: for an hour, and for one run.

    Args:
        digest: Of the plan, in full.
    """
    approvals = Approvals(shared.config)
    plan, target = await approvals.proposed(digest)
    if target not in shared.configuration().assistants.apply:
        raise Refused(f"assistants may not apply plans to {target!r}: name it in assistants.apply")
    shared.out.complain(str(plan))
    if not shared.out.asks:
        raise Refused("a person approves, in a terminal; there is none here, and no option instead of it")
    await confirmed(f"This lets an assistant run it on {target!r}", "", shared.out, yes=False, name=target)
    approval = approvals.approve(digest, target, by=who())
    document = {"digest": digest, "target": target, "by": approval.by}
    shared.out.result(document, f"approved for {target}: good for an hour, and for one run", kind="approval")
    return ExitCode.OK
