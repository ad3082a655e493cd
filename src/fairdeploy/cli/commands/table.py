"""Every command in a line, without any library: what help begins with, and what the program is made from."""

from __future__ import annotations

from typing import Final

__all__ = ["COMMANDS", "PURPOSE", "overview"]

PURPOSE: Final = "Choose how to host, deploy with zero downtime, and get back safely."

COMMANDS: Final = {
    "recommend": ("recommend:recommend", "Recommend how to host, with reasons."),
    "plan": ("deploy:plan", "Show what a deployment would do. Changes nothing."),
    "deploy": ("deploy:deploy", "Deploy a version, and watch it to its end."),
    "watch": ("look:watch", "Follow a rollout to its end; exit as it ended."),
    "status": ("look:status", "Show what serves now."),
    "history": ("look:history", "List the rollouts of a target, oldest first."),
    "health": ("look:health", "Ask a target's checks once."),
    "validate": ("look:validate", "Look whether a deployment can work. Changes nothing."),
    "check-compose": ("check_compose:check_compose", "Say whether a Compose file can roll without downtime."),
    "approve": ("steer:approve", "Say yes to the rollout that waits for it."),
    "promote": ("steer:promote", "End the present watching, pause or approval early."),
    "pause": ("steer:pause", "Stop a rollout before its next step."),
    "resume": ("steer:resume", "End a pause."),
    "abort": ("steer:abort", "Send the rollout under way back."),
    "rollback": ("back:rollback", "Go back to the version before, or to a named one."),
    "recover": ("back:recover", "Bring what dead programs left to an end."),
    "provision": ("provision:provision", "Plan, bring up or take down a server or a stack."),
    "permissions": ("permissions:permissions", "Print what a deployer must be allowed, and no more."),
    "mcp": ("mcp:mcp", "Serve assistants: read-only unless configured."),
    "approve-plan": ("mcp:approve_plan", "Read and approve a plan that an assistant proposed."),
    "schema": ("schema:schema", "Print the JSON schema of fairdeploy.toml."),
}
"""By import path: a command's module is loaded when it is run, so that help is quick."""


def overview() -> str:
    """Return the help of the whole program: at once, as the parser takes some hundred milliseconds to load."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {words}" for name, (_, words) in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: fairdeploy COMMAND",
            "",
            PURPOSE,
            "",
            *lines,
            "",
            "fairdeploy.toml names what there is; to begin with one: fairdeploy schema --example > fairdeploy.toml",
            "fairdeploy COMMAND --help says what a command takes; --install-completion completes them in your shell.",
        ]
    )
