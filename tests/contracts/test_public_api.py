"""The public API changes on purpose only."""

from __future__ import annotations

from tests.contracts import surface


def test_the_public_api_is_as_written_down() -> None:
    """Names and signatures are those of public_api.txt; `uvx nox -s api` writes them anew."""
    assert surface.surface().splitlines() == surface.SNAPSHOT.read_text(encoding="utf-8").splitlines()
