"""Several checks as one."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from fairdeploy.errors import InvalidInput, Unbound
from fairdeploy.health import run_check
from fairdeploy.health.quorum import counted
from fairdeploy.model import (
    BoundCheck,
    CheckResult,
    ErrorRate,
    HTTPCheck,
    Quorum,
    TCPCheck,
    Verdict,
    all_of,
    any_of,
)
from tests.health.serving import NOBODY, answer, served, subject

if TYPE_CHECKING:
    from fairdeploy.protocols import Subject

WELL, NOT = TCPCheck("a:1", scope="shared"), TCPCheck("b:1", scope="shared")
DECIDED = {Verdict.PASS, Verdict.FAIL}


@given(st.lists(st.sampled_from(Verdict), min_size=1, max_size=6), st.data())
def test_a_quorum_decides_only_what_no_other_answer_could_change(
    verdicts: list[Verdict], data: st.DataObject
) -> None:
    """Replace whatever is undecided by passes, and by fails: a decided quorum stays as it is, an open one does not."""
    need = data.draw(st.integers(1, len(verdicts)))
    check = Quorum([WELL] * len(verdicts), need=need)

    def verdict(instead: Verdict | None) -> Verdict:
        used = [each if each in DECIDED or instead is None else instead for each in verdicts]
        return counted(check, [CheckResult(each, "so") for each in used]).verdict

    now, best, worst = verdict(None), verdict(Verdict.PASS), verdict(Verdict.FAIL)

    assert (now in DECIDED) == (best is worst)
    assert now is best or now not in DECIDED
    assert {best, worst} <= DECIDED


@pytest.mark.parametrize("order", list(permutations([Verdict.ERROR, Verdict.NO_DATA, Verdict.INCONCLUSIVE])))
def test_what_is_open_is_called_by_its_worst(order: tuple[Verdict, ...]) -> None:
    """An error hides no data, whatever the order."""
    check = Quorum([WELL] * 3, need=1)

    assert counted(check, [CheckResult(each, str(each)) for each in order]).verdict is Verdict.ERROR


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_members_are_asked_and_counted() -> None:
    """All, any, so many, and quorums of quorums; a callable is found by its name."""

    async def fine(subject: Subject) -> CheckResult:
        return CheckResult(Verdict.PASS, "fine")

    async def broken(subject: Subject) -> CheckResult:
        raise ValueError("what?")

    bound = {"fine": fine, "broken": broken}
    async with served({"/well": answer(), "/bad": answer(503)}) as site:
        about = subject(site.address)
        well, bad = HTTPCheck("/well"), HTTPCheck("/bad")
        found = [
            await run_check(check, about, bound=bound)
            for check in (
                all_of(well, well),
                all_of(well, bad),
                any_of(bad, well),
                Quorum([well, bad, BoundCheck("fine")], need=2),
                all_of(any_of(bad, well), BoundCheck("fine")),
                any_of(bad, BoundCheck("broken")),
                any_of(bad, BoundCheck("missing")),
            )
        ]

    assert [each.verdict for each in found] == [
        Verdict.PASS,
        Verdict.FAIL,
        Verdict.PASS,
        Verdict.PASS,
        Verdict.PASS,
        Verdict.ERROR,
        Verdict.ERROR,
    ]
    assert found[1].message == "1 of 2 pass, 2 must: instance 'i0' at /bad answered 503, expected 200 to 399"
    assert "ValueError: what?" in found[5].message


@pytest.mark.anyio
async def test_a_callable_that_was_not_given_is_told() -> None:
    """Alone it is the caller's mistake, and names what to pass."""
    with pytest.raises(Unbound, match="check 'smoke' is not given"):
        await run_check(BoundCheck("smoke"), NOBODY)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: Quorum([], need=1), "needs checks"),
        (all_of, "needs checks"),
        (lambda: Quorum([WELL], need=2), "need must be from 1 to 1, not 2"),
        (lambda: Quorum([WELL], need=0), "need must be from 1 to 1, not 0"),
        (lambda: any_of(WELL, TCPCheck()), "both scopes"),
        (lambda: any_of(ErrorRate()), "takes checks that are asked"),  # type: ignore[arg-type]  # a mistake, on purpose
        (lambda: any_of("/health"), "not .*/health"),  # type: ignore[arg-type]  # as above
    ],
)
def test_a_quorum_that_makes_no_sense_is_refused(made: object, says: str) -> None:
    """It says what to do instead."""
    assert callable(made)
    with pytest.raises(InvalidInput, match=says):
        made()
