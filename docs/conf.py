"""How Sphinx builds these pages: `uvx nox -s docs`."""

from __future__ import annotations

from importlib.metadata import version as installed_version

project = "fairdeploy"
author = "The fairdeploy developers"
copyright = author
version = release = installed_version("fairdeploy")

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "fairdeploy"
html_extra_path = ["llms.txt"]


# The same fences draw on code hosts, where these pages are read too.
myst_fence_as_directive = {"mermaid"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
