"""The notebook for Jupyter, made of the program's cells: ``python -m tests.patterns.notebook`` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

__all__ = ["PROGRAM", "WRITTEN", "made", "written"]

_JUPYTER: Any = nbformat  # Any: the library is not typed

PROGRAM = Path(__file__).parents[2] / "examples" / "choosing.py"
WRITTEN = PROGRAM.with_suffix(".ipynb")
_MARK = "# %%"


def made() -> Any:  # noqa: ANN401 -- as above
    """Return the program's cells as a notebook without outputs."""
    cells = []
    for number, part in enumerate(PROGRAM.read_text(encoding="utf-8").split(f"\n{_MARK}")[1:]):
        kind, _, body = part.partition("\n")
        text = body.strip()
        if kind.strip() == "[markdown]":
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
        new = _JUPYTER.v4.new_markdown_cell if kind.strip() == "[markdown]" else _JUPYTER.v4.new_code_cell
        cell = new(text)
        cell["id"] = f"cell-{number}"
        cells.append(cell)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return _JUPYTER.v4.new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )


def written() -> Any:  # noqa: ANN401 -- as above
    """Return the notebook that is in the repository."""
    return _JUPYTER.read(WRITTEN, as_version=4)


if __name__ == "__main__":
    _JUPYTER.write(made(), WRITTEN)
