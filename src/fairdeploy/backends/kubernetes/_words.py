"""What instances have written: their own logs, those before their last crash, and what the kubelet says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.routing.kubernetes import names
from fairdeploy.routing.kubernetes.client import Answered

if TYPE_CHECKING:
    from fairdeploy.routing.kubernetes.client import Client, Object

__all__ = ["of", "said"]


async def said(client: Client, pods: list[Object], lines: int) -> dict[str, tuple[str, ...]]:
    """Return the last words of each pod: of the run before, where this one has said nothing yet."""
    found: dict[str, tuple[str, ...]] = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        words = await of(client, name, lines)
        if not words and any(
            each.get("restartCount") for each in pod.get("status", {}).get("containerStatuses", [])
        ):
            words = await of(client, name, lines, previous=True)
        found[name] = words
    return found


async def of(client: Client, pod: str, lines: int, *, previous: bool = False) -> tuple[str, ...]:
    """Return the last lines of a pod; of one that has not been started yet there are none."""
    path = names.path_of(client.namespace, "pods", pod, "log")
    query = {"tailLines": str(lines)}
    if previous:
        query["previous"] = "true"
    try:
        text = await client.text(path, **query)
    except Answered as answer:
        if answer.status in {400, 404}:  # its container waits, or it is gone
            return ()
        raise
    return tuple(text.splitlines()[-lines:]) if lines else ()
