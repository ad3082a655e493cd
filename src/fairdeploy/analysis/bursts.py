"""Errors that do not come alone: counted once for who met them, or measured where nobody knows who did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import Counters, RevisionId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Answer", "capped", "measure_burst"]


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


def capped(answers: Iterable[Answer], *, cap: int = 1) -> dict[RevisionId, Counters]:
    """Return the counters of one batch, with at most so many errors of each client.

    A client that tries again and again is one fact, not twenty. Of its failed requests the first
    ``cap`` are kept, whichever revision answered them, and the rest left out as if never made. What
    is left out does not depend on the revision, so the comparison stays valid; with ``burst=cap`` also
    if a client's requests stick to one revision.

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
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < 1:
        msg = f"cap must be a whole number of at least 1, not {cap!r}"
        raise InvalidInput(msg)
    kept: Counter[str] = Counter()
    requests: Counter[RevisionId] = Counter()
    errors: Counter[RevisionId] = Counter()
    for answer in answers:
        if answer.failed:
            if kept[answer.client] == cap:
                continue
            kept[answer.client] += 1
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
