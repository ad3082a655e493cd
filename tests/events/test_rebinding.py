from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from fairdeploy.errors import NotificationError
from fairdeploy.events import WebhookSink
from fairdeploy.model import SecretRef
from fairdeploy.testing.conformance import EventSinkConformance
from tests.events.receiving import House, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWS = EventSinkConformance.notice(7, "critical")
NAME = "hooks.example.org"


class Resolver:
    """Stands before the system's: it knows one name, and answers other addresses each time it is asked."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._ask = socket.getaddrinfo
        self._answers = answers
        self.asked = 0

    def __call__(
        self, host: object, port: object, *args: object, **options: object
    ) -> list[tuple[object, ...]]:
        """Answer as `socket.getaddrinfo` does."""
        if host not in {NAME, NAME.encode()}:
            return self._ask(host, port, *args, **options)  # type: ignore[arg-type,return-value]  # as it came
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


@pytest.fixture
def houses() -> Iterator[tuple[House, House]]:
    """Give the receiver that is meant, and one at the same port of another address."""
    with receiving() as meant, receiving("127.0.0.2", meant.port) as other:
        yield meant, other


@pytest.fixture
def sink(houses: tuple[House, House], monkeypatch: pytest.MonkeyPatch) -> WebhookSink:
    """Give a sink that may lead to the first alone."""
    monkeypatch.setenv("HOOK_SECRET", "shared")
    url = f"http://{NAME}:{houses[0].port}/hooks"
    return WebhookSink(url, SecretRef.env("HOOK_SECRET"), allow=["127.0.0.1/32"], plaintext=True)


@pytest.mark.anyio
async def test_a_name_that_moves_after_it_was_checked_leads_nowhere_else(
    houses: tuple[House, House], sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the address that was checked is the one connected to, the name is asked no second time."""
    resolver = Resolver(("127.0.0.1",), ("127.0.0.2",))
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    await sink.deliver(NEWS)
    assert resolver.asked == 1
    meant, other = houses
    ((headers, _),) = meant.got
    assert headers["host"] == f"{NAME}:{meant.port}"
    assert other.got == []


@pytest.mark.anyio
async def test_a_name_that_moved_is_refused_at_the_next_message(
    houses: tuple[House, House], sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was checked once is checked again."""
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(("127.0.0.1",), ("127.0.0.2",)))
    await sink.deliver(NEWS)
    with pytest.raises(NotificationError, match=r"leads to \['127.0.0.2'\]") as found:
        await sink.deliver(NEWS)
    assert not found.value.retryable
    assert [len(each.got) for each in houses] == [1, 0]


@pytest.mark.anyio
async def test_one_private_address_among_several_is_enough_to_refuse(
    houses: tuple[House, House], sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever answers for the name would choose by their order."""
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(("127.0.0.1", "127.0.0.2")))
    with pytest.raises(NotificationError, match="no public address"):
        await sink.deliver(NEWS)
    assert [each.got for each in houses] == [[], []]
