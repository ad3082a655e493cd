"""Rollouts as annotations in Grafana: a region over every panel from begin to end, and marks within it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, final

from anyio.lowlevel import checkpoint

from fairdeploy.events._door import Door, bearer
from fairdeploy.model import _check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model import Notice, SecretRef

__all__ = ["GrafanaSink"]


@final
class GrafanaSink:
    """An `EventSink` that writes annotations: a point for each notice, and at its end a region for the rollout.

    Tags: ``fairdeploy``, ``target:...``, ``environment:...``, ``strategy:...``, ``outcome:...``. Grafana cannot tell that
    an annotation is delivered again: after a failure in between, one may stand there twice.

    Args:
        url: Of Grafana, such as ``https://grafana.example.org``.
        token: Of a service account that may write annotations.
        name: See `EventSink.name`.
        allow: Networks besides public addresses that it may lead to.
        plaintext: Whether ``http://`` will do.
        timeout: Seconds for one message, 0.1 to 600.
        ca_file: Certificates to trust instead of the usual ones.

    Raises:
        InvalidInput: If a value cannot be.
    """

    def __init__(
        self,
        url: str,
        token: SecretRef,
        *,
        name: str = "grafana",
        allow: Sequence[str] = (),
        plaintext: bool = False,
        timeout: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        self._door = Door(url, allow=allow, plaintext=plaintext, timeout=timeout, ca_file=ca_file)
        self._token = token
        self._name = _check.name(name, "a sink")

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`.

        Raises:
            NotificationError: If Grafana did not take it.
            Unbound: If the token cannot be found.
        """
        await checkpoint()
        body = json.dumps(_annotation(notice)).encode()
        await self._door.send(notice.id, body, bearer(self._token), below="/api/annotations")


def _annotation(notice: Notice) -> dict[str, Any]:
    environments = dict.fromkeys(f"environment:{each.environment}" for each in notice.subjects)
    tags = ["fairdeploy", *(f"target:{target}" for target in notice.targets), *environments]
    tags += [f"strategy:{notice.strategy}"] if notice.strategy else []
    tags += [f"outcome:{notice.outcome}"] if notice.outcome is not None else []
    region = {"time": notice.began_ms or notice.at_ms, "timeEnd": notice.at_ms}
    when = region if notice.outcome is not None else {"time": notice.at_ms}
    return {**when, "tags": tags, "text": str(notice)}
