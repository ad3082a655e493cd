"""News by mail, chat, pager and whatever else Apprise knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, final, get_args

import anyio
import anyio.to_thread
from anyio.lowlevel import checkpoint

from fairdeploy.errors import InvalidInput, MissingDependency, NotificationError
from fairdeploy.model import SecretRef, Urgency, _check
from fairdeploy.system.hidden import Hidden

if TYPE_CHECKING:
    from fairdeploy.model import Notice

__all__ = ["AppriseSink"]

_TYPES: Final = {"info": "info", "warning": "warning", "critical": "failure"}
_ORDER: Final = get_args(Urgency)


@final
class AppriseSink:
    """An `EventSink` for the services of Apprise (mail, Slack, Matrix, Teams, PagerDuty, ntfy and a hundred more).

    Needs the extra ``notify``. Apprise tells only whether all services took a notice: if one did not, all get it again.

    Args:
        urls: Of the services, in Apprise's form. They hold tokens, so each is a reference to where it is found.
        name: See `EventSink.name`.
        at_least: Only what is as urgent as this; the rest counts as delivered.
        timeout: Seconds for one delivery, 1 to 600.

    Raises:
        InvalidInput: If there is no URL, or a value is out of range.
    """

    def __init__(
        self,
        urls: Sequence[SecretRef],
        *,
        name: str = "apprise",
        at_least: Urgency = "info",
        timeout: float = 30.0,
    ) -> None:
        if not urls or not all(isinstance(url, SecretRef) for url in urls):
            raise InvalidInput(
                "an AppriseSink needs urls=[SecretRef.env(...), ...]: an URL there holds a token"
            )
        if at_least not in _ORDER:
            raise InvalidInput(f"at_least must be one of {list(_ORDER)!r}, not {at_least!r}")
        self._urls = tuple(urls)
        self._name = _check.name(name, "a sink")
        self._least = _ORDER.index(at_least)
        self._timeout = _check.milliseconds(timeout, "timeout", low=1_000) / 1000

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`.

        Raises:
            NotificationError: If a service did not take it.
            MissingDependency: If the extra ``notify`` is not installed.
            Unbound: If an URL cannot be found.
        """
        if _ORDER.index(notice.urgency) < self._least:
            await checkpoint()
            return
        urls = [Hidden(url.resolve()) for url in self._urls]
        try:
            with anyio.fail_after(self._timeout):
                took = await anyio.to_thread.run_sync(_notify, urls, notice, abandon_on_cancel=True)
        except TimeoutError:
            took = False
        if not took:
            raise NotificationError(
                f"not every service of sink {self._name!r} took {notice.id!r} within {self._timeout:g} s: "
                "Apprise's own logger says which"
            )


def _notify(urls: Sequence[str], notice: Notice) -> bool:
    try:
        import apprise  # noqa: PLC0415 -- of an extra; some 200 ms
    except ImportError as error:
        raise MissingDependency('notices by Apprise need it: pip install "fairdeploy[notify]"') from error
    services = apprise.Apprise()
    if not all(services.add(url) for url in urls):
        refusal = NotificationError("an URL of Apprise is none that it knows: see its list of services")
        refusal.retryable = False
        raise refusal
    body = notice.text or notice.title
    return bool(
        services.notify(title=notice.title, body=body, notify_type=apprise.NotifyType(_TYPES[notice.urgency]))
    )
