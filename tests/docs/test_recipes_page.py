"""The recipes are short, and what they say is right as far as it can be told without their libraries."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from tests.recipes.run import recipe


@pytest.mark.parametrize("name", ["Prefect", "Airflow", "Dagster", "GitHub Actions"])
def test_a_recipe_has_at_most_25_lines(name: str) -> None:
    """More would be an adapter."""
    assert len(recipe(name).splitlines()) <= 25


def test_the_workflow_gives_no_input_to_a_shell() -> None:
    """It is YAML; its input reaches the command by a variable; nothing may be written with its token."""
    read = YAML(typ="safe").load(recipe("GitHub Actions"))
    (job,) = read["jobs"].values()

    assert read["permissions"] == {"contents": "read"}
    assert not any("${{" in step.get("run", "") for step in job["steps"])
    assert job["steps"][-1]["env"] == {"VERSION": "${{ inputs.version }}"}
