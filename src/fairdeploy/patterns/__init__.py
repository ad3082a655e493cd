"""Which way to host an institution can defend: the catalogue, the recommender, its reasons and its cost. Pure."""

from __future__ import annotations
