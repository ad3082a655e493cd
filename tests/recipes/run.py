"""Runs a recipe of the page with its real library: `python tests/recipes/run.py prefect`, where that is installed."""

from __future__ import annotations

import importlib.util
import re
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio

from fairdeploy.backends.local import LocalBackend

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def recipe(name: str) -> str:
    """Return the first block of a section of the page."""
    found = re.search(rf"^## {name}\n.*?^```\w+\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[1]


def ran(name: str, module: Any) -> str:  # noqa: ANN401 -- of a library that is not in this environment
    """Run what the recipe made, by the library's own means, and return what the task returned."""
    match name:
        case "Prefect":
            return str(module.ship("1"))
        case "Airflow":
            done = module.shipping.test(run_conf={"version": "1"})
            (task,) = done.get_task_instances()
            return f"{done.state}: promoted" if str(task.state) == "success" else f"{task.state}"
        case _:
            configured = {"ops": {"deploy": {"config": {"version": "1"}}}}
            return str(module.ship.execute_in_process(run_config=configured).output_for_node("deploy"))


async def _stopped(folder: Path) -> None:
    async with LocalBackend.open(folder) as backend:
        await backend.shutdown()


def main(name: str) -> None:
    """Deploy a page of files by a recipe, and stop it."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "deployments"
        code = recipe(name).replace("/srv/deployments", str(folder)).replace(":8080", f":{port}")
        serve = f'"{sys.executable}", "-m", "http.server", "--bind", "127.0.0.1", "{{port}}"'
        file = Path(place) / "recipe.py"
        file.write_text(code.replace('"/srv/shop/serve", "--port", "{port}"', serve))
        spec = importlib.util.spec_from_file_location("recipe", file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["recipe"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            said = ran(name, module)
        finally:
            anyio.run(_stopped, folder)
        assert "promoted" in said, said
        print(f"{name}: {said}")  # noqa: T201 -- a script speaks by printing


if __name__ == "__main__":
    main(sys.argv[1])
