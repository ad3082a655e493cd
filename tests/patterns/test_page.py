"""The page on choosing shows what works."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fairdeploy.patterns import CRITERIA, DEPLOYMENT_PATTERNS, Recommendation
from tests.patterns.institutions import INSTITUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "choosing.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def _no_screen() -> Iterator[None]:
    """Draw without a screen, and close what was drawn."""
    import matplotlib as mpl  # noqa: PLC0415 -- one test needs it
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- as above

    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.mark.usefixtures("_no_screen")
async def test_the_page_runs_from_top_to_bottom() -> None:
    """Its snippets are one program, as a notebook would run it."""
    names: dict[str, object] = {}
    for snippet in SNIPPETS:
        code = compile(snippet, "docs/choosing.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        made = eval(code, names)  # noqa: S307 -- the page's own snippets
        if inspect.isawaitable(made):
            await made

    assert isinstance(names["advice"], Recommendation)
    assert len(SNIPPETS) >= 5


def test_the_page_lists_every_criterion_with_its_weight() -> None:
    """Key and weight of each criterion stand in the table."""
    for criterion in CRITERIA:
        assert f"| {criterion.key} | {criterion.weight:g} |" in PAGE


def test_the_page_counts_the_institutions() -> None:
    """The number of institutions is the table's."""
    assert f"\n{len(INSTITUTIONS)} institutions" in PAGE


def test_the_page_names_what_the_catalogue_decides_by() -> None:
    """The page says why public and hybrid cloud need more than the seed's fields."""
    public, hybrid = DEPLOYMENT_PATTERNS["public_cloud"], DEPLOYMENT_PATTERNS["hybrid_cloud"]

    assert "What the nine fields cannot tell apart" in PAGE
    assert public.data_location is not hybrid.data_location
    assert public.reuses_hardware is not hybrid.reuses_hardware
