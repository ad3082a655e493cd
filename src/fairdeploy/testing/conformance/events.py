"""What every sink of news must do, wherever it leads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol

import anyio
import pytest

from fairdeploy.errors import FairdeployError, NotificationError
from fairdeploy.model import Notice, Urgency
from fairdeploy.protocols import EventSink
from fairdeploy.testing.conformance.suite import Conformance, expect

__all__ = ["EventSinkConformance", "Receiver"]

_URGENCIES: tuple[Urgency, ...] = ("info", "warning", "critical")


class Receiver(Protocol):
    """Where a sink leads, as its owner sees it."""

    def arrived(self) -> Sequence[str]:
        """Return the texts that have arrived, each with the notice's title in it, in order."""
        ...

    def down(self) -> AbstractAsyncContextManager[None]:
        """Make it unreachable for a while."""
        ...


class EventSinkConformance(Conformance, suite=True):
    """Standard tests of an `EventSink`: derive, and give the fixtures ``sink`` and ``receiver``.

    ::

        class TestMine(EventSinkConformance):
            @pytest.fixture
            def receiver(self) -> Receiver:
                return whoever_receives

            @pytest.fixture
            def sink(self, receiver: Receiver) -> EventSink:
                return MySink(receiver.address)

    Attributes:
        within: Seconds in which a delivery must have ended, one way or the other.
        goes_down: Whether what it leads to can be unreachable.
    """

    within: ClassVar[float] = 30.0
    goes_down: ClassVar[bool] = True

    @staticmethod
    def notice(number: int, urgency: Urgency = "info") -> Notice:
        """Return news."""
        return Notice(
            f"conformance-{number}",
            seq=number,
            rollout="r1",
            kind="ended",
            urgency=urgency,
            title=f"news number {number}",
            text="first line ü\nsecond line",
            targets=("shop/production",),
            at_ms=1_767_268_803_000,
        )

    async def _delivered(self, sink: EventSink, notice: Notice) -> None:
        with anyio.fail_after(self.within):
            await sink.deliver(notice)

    async def test_its_name_is_one_and_stays(self, sink: EventSink) -> None:
        """Its position is kept under it."""
        expect(
            bool(re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", sink.name)),
            "a name is 1 to 63 of a-z, 0-9, '.', '_', '-'",
            sink.name,
        )
        expect(sink.name == sink.name, "a name stays", sink.name)

    async def test_what_was_delivered_has_arrived(self, sink: EventSink, receiver: Receiver) -> None:
        """In order, whatever its urgency."""
        for number, urgency in enumerate(_URGENCIES, 1):
            await self._delivered(sink, self.notice(number, urgency))
        arrived = receiver.arrived()
        titles = [self.notice(number).title for number in (1, 2, 3)]
        expect(len(arrived) == 3, "each notice arrives once when it is delivered once", arrived)
        together = zip(titles, arrived, strict=True)
        expect(all(title in text for title, text in together), "in order, with its title", arrived)

    async def test_it_may_be_delivered_again(self, sink: EventSink, receiver: Receiver) -> None:
        """Who does not know whether it arrived delivers once more."""
        for _ in range(2):
            await self._delivered(sink, self.notice(1))
        expect(len(receiver.arrived()) in {1, 2}, "again with the same id", receiver.arrived())

    async def test_what_cannot_arrive_is_said(self, sink: EventSink, receiver: Receiver) -> None:
        """By an error of ours that may be tried again; afterwards it arrives."""
        if not self.goes_down:
            pytest.skip("what it leads to is always there")
        said: FairdeployError | None = None
        async with receiver.down():
            try:
                await self._delivered(sink, self.notice(1))
            except NotificationError as error:
                said = error
        expect(said is not None and said.retryable, "raise a NotificationError that is retryable", said)
        await self._delivered(sink, self.notice(1))
        expect(len(receiver.arrived()) == 1, "it arrives once there is somebody", receiver.arrived())

    async def test_a_delivery_can_be_cancelled(self, sink: EventSink, receiver: Receiver) -> None:
        """And the next one arrives."""
        with anyio.move_on_after(0):
            await sink.deliver(self.notice(1))
        before = len(receiver.arrived())
        await self._delivered(sink, self.notice(2))
        expect(len(receiver.arrived()) >= before + 1, "what follows arrives", receiver.arrived())
