"""The applications that the examples release: nobody here wrote them, they come from PyPI as they are."""
