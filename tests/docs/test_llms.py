"""`docs/llms.txt` leads programs that read to every page; `python -m tests.docs.test_llms` writes it anew."""

from __future__ import annotations

from tests.contracts import source

FILE = source.ROOT / "docs" / "llms.txt"


def llms() -> str:
    """Return what leads to each page, by its title, in the form of llmstxt.org: the text that Sphinx puts beside it."""
    pages = sorted(path for path in FILE.parent.glob("*.md") if path.stem != "index")
    about = (FILE.parent / "index.md").read_text(encoding="utf-8").split("\n\n")[1].replace("\n", " ")
    titles = {page: page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in pages}
    lines = [f"- [{titles[page]}](_sources/{page.name}.txt)" for page in pages]
    return "\n".join(["# fairdeploy", "", f"> {about}", "", "## Documentation", "", *lines, ""])


def test_every_page_is_there() -> None:
    """A new page, or a new title, is written down with it."""
    assert FILE.read_text(encoding="utf-8") == llms(), "python -m tests.docs.test_llms"


if __name__ == "__main__":
    FILE.write_text(llms(), encoding="utf-8")
