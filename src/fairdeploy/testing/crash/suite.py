"""The crash suite, to be derived from: a backend joins with one fixture."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, ClassVar

from fairdeploy.testing.conformance.suite import Conformance, expect
from fairdeploy.testing.crash.stories import STORIES
from fairdeploy.testing.crash.survey import DOUBLE, SINGLE, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fairdeploy.testing.crash.survey import House
    from fairdeploy.testing.crash.trial import Fault

__all__ = ["CrashPoints"]


class CrashPoints(Conformance, suite=True):
    """Standard test of what dead programs leave: derive, and give the fixture ``house``.

    ::

        class TestMine(CrashPoints):
            @pytest.fixture
            def house(self) -> House:
                return my_house  # an async context manager that yields a `Housing`

    Which points are tried, and in which order, is decided by a seed, which is told with the result and may be given as
    ``FAIRDEPLOY_CRASH_SEED``.

    Attributes:
        seconds: No point is begun after so long, once one was reached; ``None``: all are tried.
        stories: Keys of `STORIES`: leave out what the backend cannot do. Keys of `NATIVE`, where the platform rolls out.
        faults: How programs die.
    """

    seconds: ClassVar[float | None] = 60.0
    stories: ClassVar[Sequence[str]] = tuple(STORIES)
    faults: ClassVar[Sequence[Fault]] = (*SINGLE, *DOUBLE)

    async def test_whatever_died_it_ends_where_the_journal_says(
        self, house: House, record_property: Callable[[str, object], None]
    ) -> None:
        """Base or promoted, nothing left over, jobs once, no request lost; who was stopped and wakes does no harm."""
        given = os.environ.get("FAIRDEPLOY_CRASH_SEED")
        seed = int(given) if given else secrets.randbelow(1_000_000)
        found = await survey(house, seed=seed, stories=self.stories, faults=self.faults, seconds=self.seconds)
        record_property("proof", str(found))
        told = "\n".join(str(finding) for finding in found.wrong)
        expect(not found.wrong, f"every end must be the one that the journal demands: {found}", told)
        expect(not found.lost, "no request may be lost", str(found))
        expect(found.reached > 0, "points must be reached", str(found))
