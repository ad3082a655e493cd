"""The books of a load."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from fairdeploy.testing.load import Answer, Cause, Loss, answered_by_app, keep_alive, post, websocket
from fairdeploy.testing.load._client import Done
from fairdeploy.testing.load._connection import NotStarted
from fairdeploy.testing.load._recorder import Recorder

if TYPE_CHECKING:
    from fairdeploy.testing.load import Traffic

RESULTS = st.one_of(
    st.builds(
        Answer,
        st.sampled_from([101, 200, 204, 302, 404, 500, 502, 503]),
        st.one_of(
            st.just({}),
            st.integers(min_value=0, max_value=400).map(lambda number: {"x-revision": f"v{number}"}),
        ),
    ),
    st.builds(Loss, st.sampled_from(list(Cause))),
    st.builds(NotStarted, st.sampled_from(["EMFILE", "ENOBUFS"])),
)
TRAFFIC: st.SearchStrategy[Traffic] = st.sampled_from([keep_alive(), post(), websocket()])


def _recorder(max_lost: int = 5) -> Recorder:
    return Recorder(classify=answered_by_app(), revision_header="x-revision", max_lost=max_lost)


@given(requests=st.lists(st.tuples(TRAFFIC, RESULTS), max_size=300), open_ended=st.integers(0, 3))
def test_every_request_is_counted_once(
    requests: list[tuple[Traffic, Answer | Loss | NotStarted]], open_ended: int
) -> None:
    """Whatever requests end as, the sums agree and memory stays bounded."""
    recorder = _recorder()
    for traffic, result in requests:
        recorder.begin(traffic)
        recorder.end(traffic, time.monotonic(), Done(result, time.monotonic()))
    for _ in range(open_ended):
        recorder.begin(keep_alive())

    kinds = recorder.kinds().values()
    begun = sum(not isinstance(result, NotStarted) for _, result in requests) + open_ended
    lost = sum(kind.lost for kind in kinds)

    assert sum(kind.requests for kind in kinds) == begun
    assert sum(kind.ok + kind.app_errors + kind.lost for kind in kinds) == begun - open_ended
    assert sum(kind.latency.count for kind in kinds) == begun - open_ended - lost
    assert recorder.in_flight == open_ended
    assert sum(recorder.causes.values()) == lost
    assert len(recorder.lost) == min(lost, 5)
    assert sum(recorder.not_started.values()) == len(requests) - begun + open_ended
    assert sum(recorder.statuses.values()) == sum(isinstance(result, Answer) for _, result in requests)
    assert sum(one.requests for one in recorder.revisions().values()) == sum(
        isinstance(result, Answer) and bool(result.headers) for _, result in requests
    )


def test_revisions_beyond_a_limit_are_counted_together() -> None:
    """A header that is different each time cannot fill the memory."""
    recorder = _recorder()
    for number in range(1000):
        recorder.begin(keep_alive())
        recorder.end(keep_alive(), 0.0, Done(Answer(200, {"x-revision": str(number)}), float(number)))
    revisions = recorder.revisions()

    assert len(revisions) == 201
    assert revisions["(others)"].requests == 800
    assert (revisions["(others)"].first_started, revisions["(others)"].last_started) == (200.0, 999.0)


def test_starts_are_kept_though_answers_come_in_another_order() -> None:
    """The first and last start of a revision are those of its requests, not of its answers."""
    recorder = _recorder()
    for started in (5.0, 2.0, 9.0, 4.0):
        recorder.begin(keep_alive())
        recorder.end(keep_alive(), started, Done(Answer(200, {"x-revision": "v1"}), started))
    revision = recorder.revisions()["v1"]

    assert (revision.first_started, revision.last_started) == (2.0, 9.0)


def test_a_websocket_counts_with_its_longest_wait() -> None:
    """The length of a session says nothing; the longest wait for an echo does."""
    recorder = _recorder()
    recorder.begin(websocket())
    recorder.end(websocket(), 0.0, Done(Answer(101), 0.0, longest_wait=0.5))

    assert recorder.kinds()["websocket"].latency.max == 0.5
