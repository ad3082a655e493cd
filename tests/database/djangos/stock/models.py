"""Samples of an institute, and what people have noted of them."""

from __future__ import annotations

from django.db import models


class Sample(models.Model):
    """A sample."""

    name = models.TextField()
    site = models.TextField(null=True)  # noqa: DJ001 -- added later: what was there has none

    def __str__(self) -> str:
        """Return its name."""
        return str(self.name)


class Note(models.Model):
    """What was noted of a sample."""

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE)
    body = models.TextField()

    def __str__(self) -> str:
        """Return what was noted."""
        return str(self.body)
