"""Amazon ECS: one service per revision beside the one that is adopted, or one that ECS itself rolls out.

Needs the extra ``aws``: ``pip install "fairdeploy[aws]"``.
"""

from __future__ import annotations

from fairdeploy.backends.ecs.backend import ECSBackend
from fairdeploy.backends.ecs.place import Place

__all__ = ["ECSBackend", "Place"]
