"""News to another program, signed, and to no address that it was not meant for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput
from fairdeploy.events._door import Door
from fairdeploy.model import SecretRef, _check

if TYPE_CHECKING:
    from fairdeploy.model import Notice

__all__ = ["WebhookSink", "signature"]


def signature(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: ``v1,`` and the base64 of an HMAC-SHA-256 over id, time and body.

    As Standard Webhooks has it (https://www.standardwebhooks.com): the secret's bytes are what follows ``whsec_``, in
    base64, or the text itself.

    Args:
        secret: Shared with the receiver.
        message: The notice's id.
        timestamp: Seconds since 1970.
        body: As it is sent.
    """
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


@final
class WebhookSink:
    """An `EventSink` that sends each notice as JSON to a URL, with a signature that the receiver can check.

    The receiver gets ``webhook-id`` (the same whenever it is sent again), ``webhook-timestamp`` and
    ``webhook-signature``; see `signature`. The name is resolved for each message, every address checked, and the one
    that was checked is connected to, so that a name that changes in between leads nowhere else. Redirects are not
    followed, proxies not used, and nothing of the answer but its status is read.

    Args:
        url: ``https://...``; no user, password or fragment in it.
        secret: Where the shared secret is found, each time.
        name: See `EventSink.name`.
        allow: Networks besides public addresses that it may lead to, such as ``"10.1.0.0/16"``.
        plaintext: Whether ``http://`` will do.
        timeout: Seconds for one delivery, resolving included, 0.1 to 600.
        ca_file: Certificates to trust instead of the usual ones.

    Raises:
        InvalidInput: If the URL is none of these, or a value is out of range.

    Example:
        >>> sink = WebhookSink("https://hooks.example.org/deploys", SecretRef.env("HOOK_SECRET"))
        >>> sink.name
        'webhook'
    """

    def __init__(
        self,
        url: str,
        secret: SecretRef,
        *,
        name: str = "webhook",
        allow: Sequence[str] = (),
        plaintext: bool = False,
        timeout: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        self._door = Door(url, allow=allow, plaintext=plaintext, timeout=timeout, ca_file=ca_file)
        if not isinstance(secret, SecretRef):
            raise InvalidInput(
                "the secret of a webhook must be a SecretRef, such as SecretRef.env('HOOK_SECRET')"
            )
        self._secret = secret
        self._name = _check.name(name, "a sink")

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`.

        Raises:
            NotificationError: If it was not taken; ``retryable`` unless the receiver, or its address, was refused.
            Unbound: If the secret cannot be found.
        """
        body = json.dumps(asdict(notice), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        now = int(time.time())
        headers = {
            "webhook-id": notice.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self._secret.resolve(), notice.id, now, body),
        }
        await self._door.send(notice.id, body, headers)
