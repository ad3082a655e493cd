"""How long advice takes: one recommendation with its explanation, and 10,000 weightings."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from _figures import p, say, title
from fairdeploy.patterns import InstitutionRequirements, recommend

NEEDS = InstitutionRequirements(
    budget="medium",
    compliance=["GDPR", "HIPAA"],
    expertise="intermediate",
    expected_growth="high",
    data_sovereignty=True,
    traffic="bursty",
    staff_fte=0.5,
)
HEAVY = ("anyio", "httpx", "matplotlib", "mcp", "numpy", "pandas", "pydantic", "rich")


def timed(what: Callable[[], object], times: int) -> list[float]:
    """Return how long something took, each time, in milliseconds of this process's own time.

    Own time: other programs on the machine are not what is measured.
    """
    samples = []
    for _ in range(times):
        began = time.process_time()
        what()
        samples.append((time.process_time() - began) * 1_000)
    return samples


def loaded() -> str:
    """Return which heavy libraries a fresh program holds after an explained recommendation."""
    program = (
        "import sys\n"
        "from fairdeploy.patterns import InstitutionRequirements, recommend\n"
        f"recommend(InstitutionRequirements.read({NEEDS.record()!r})).explain()\n"
        f"print(', '.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return ran.stdout.strip()


def main() -> None:
    """Print each figure beside its budget."""
    title("advice for one institution: six patterns, seven criteria that are asked for")
    advice = recommend(NEEDS)
    for what, call, times, budget in (
        ("a recommendation, not yet explained", lambda: recommend(NEEDS), 200, ""),
        ("a recommendation with its explanation", lambda: recommend(NEEDS).explain(), 200, "5 ms"),
        (
            "ranks over 10,000 weightings, with the reversal check",
            lambda: advice.sensitivity(10_000),
            20,
            "100 ms",
        ),
    ):
        samples = timed(call, times)
        say(what, f"{p(samples, 50):.2f} ms", budget=budget, beside=f"p95 {p(samples, 95):.2f} ms")
    say("heavy libraries loaded (anyio comes with `import fairdeploy`)", loaded() or "none")


if __name__ == "__main__":
    main()
