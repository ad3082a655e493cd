"""Errors that do not come alone: counted once for who met them, or measured where nobody knows who did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Counters, RevisionId

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = ["Answer", "Cap", "Capping", "capped", "measure_burst"]

_MANY = 1_000
"""Clients after which those are forgotten whose time is over."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request, from a source that knows who asked.

    Args:
        client: Who asked: a session, a user, an address.
        revision: Who answered.
        failed: Whether it is an error.
    """

    client: str
    revision: RevisionId
    failed: bool


@final
@dataclass(frozen=True, slots=True)
class Cap:
    """How many errors of one client count.

    A client that tries again and again is one fact, not twenty. Of its failed requests the first are
    kept, whichever revision answered them, and the rest left out as if never made. What is left out
    does not depend on the revision, so a comparison stays valid; with ``burst=errors`` also if a
    client's requests stick to one revision.

    Args:
        errors: That are kept of each client, 1 or more.
        seconds: For so long, from the first that is kept; after that as many again. More than 0.

    Raises:
        InvalidInput: If one of them is out of its range.
    """

    errors: int = 1
    seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what keeps nothing, or never begins."""
        if isinstance(self.errors, bool) or not isinstance(self.errors, int) or self.errors < 1:
            msg = f"a cap keeps a whole number of errors, 1 or more, not {self.errors!r}"
            raise InvalidInput(msg)
        if isinstance(self.seconds, bool) or not self.seconds > 0:
            msg = f"a cap holds for more than 0 seconds, not {self.seconds!r}"
            raise InvalidInput(msg)


@final
class Capping:
    """Which errors are kept under a cap, told one after the other.

    Args:
        cap: How many of each client.
    """

    def __init__(self, cap: Cap) -> None:
        self._cap = cap
        self._kept: dict[Hashable, tuple[float, int]] = {}
        self._many = _MANY

    def keeps(self, client: Hashable, at: float) -> bool:
        """Whether an error counts.

        Args:
            client: Who asked.
            at: When, in seconds of a clock that never goes back.
        """
        since, kept = self._kept.get(client, (at, 0))
        if at - since >= self._cap.seconds:
            since, kept = at, 0
        if kept == self._cap.errors:
            return False
        self._kept[client] = since, kept + 1
        if len(self._kept) > self._many:
            self._forget(at)
        return True

    def _forget(self, at: float) -> None:
        self._kept = {who: each for who, each in self._kept.items() if at - each[0] < self._cap.seconds}
        self._many = _MANY + 2 * len(self._kept)


def capped(answers: Iterable[Answer], *, cap: int = 1) -> dict[RevisionId, Counters]:
    """Return the counters of one batch, with at most so many errors of each client: a `Cap` without time.

    Args:
        answers: Of one batch, in the order of arrival, of all revisions.
        cap: Errors that are kept of each client.

    Raises:
        InvalidInput: If the cap is below 1.

    Example:
        >>> seen = [Answer("ann", "new", failed=True)] * 20 + [Answer("bob", "old", failed=False)]
        >>> {revision: (each.requests, each.errors) for revision, each in capped(seen).items()}
        {'new': (1, 1), 'old': (1, 0)}
    """
    capping = Capping(Cap(cap, inf))
    requests: Counter[RevisionId] = Counter()
    errors: Counter[RevisionId] = Counter()
    for answer in answers:
        if answer.failed:
            if not capping.keeps(answer.client, 0.0):
                continue
            errors[answer.revision] += 1
        requests[answer.revision] += 1
    return {revision: Counters(requests=requests[revision], errors=errors[revision]) for revision in requests}


def measure_burst(batches: Sequence[Counters]) -> float:
    """Return how many errors come together, from one revision's batches before the rollout.

    Errors that come alone fall into two neighbouring batches by a binomial law; those that come in
    groups scatter more. The ratio of the two variances, summed over pairs of neighbours, is the mean
    group size, each group counted by its errors (the index of dispersion; pairs, as the error rate
    may drift). A mean: if single groups are much larger, declare those.

    Args:
        batches: One after the other, with counters of each alone. A hundred with errors give about
            20 % of accuracy. Groups that last longer than a batch are not seen.

    Returns:
        The value for ``burst=``, at least 1; 1 if no errors were counted.
    """
    scatter = expected = 0.0
    for one, other in zip(batches[::2], batches[1::2], strict=False):
        errors, requests = one.errors + other.errors, one.requests + other.requests
        if not errors or not one.requests or not other.requests:
            continue
        part = one.requests / requests
        # Without replacement: where nearly all requests fail, they cannot scatter.
        free = (requests - errors) / (requests - 1)
        scatter += (one.errors - errors * part) ** 2
        expected += errors * part * (1 - part) * free
    return max(1.0, scatter / expected) if expected else 1.0
