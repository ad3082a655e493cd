"""The routing document, kept in tags of the listener or rule that it is about.

A load balancer holds weights, not the names of revisions and their members; a document beside it would need a
service more. Tags are written by one call, seen by every program, and go with the rule.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import cache
from typing import TYPE_CHECKING

from fairdeploy.errors import RouterError
from fairdeploy.model import Routes
from fairdeploy.model.canonical import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter

__all__ = ["PREFIX", "read", "written"]

PREFIX = "fairdeploy:doc"
_CHUNK = 250
"""Characters of one part: a tag's value holds 256."""
_PARTS = 40
"""Tags of ours on one resource, of the 50 that it may have: some 200 instances."""


def written(target: str, routes: Routes) -> dict[str, str]:
    """Return a document as tags.

    Raises:
        RouterError: If it is too large.
    """
    whole = canonical({"target": target, "routes": routes})
    packed = base64.urlsafe_b64encode(zlib.compress(whole.encode(), 9)).decode().rstrip("=")
    parts = [packed[first : first + _CHUNK] for first in range(0, len(packed), _CHUNK)]
    if len(parts) > _PARTS:
        error = RouterError(
            f"the routes of {target!r} name too many instances for the tags of a rule ({len(parts)} parts, {_PARTS} fit): "
            "deploy it as several targets"
        )
        error.retryable = False
        raise error
    return {PREFIX: str(len(parts)), **{f"{PREFIX}:{number}": part for number, part in enumerate(parts)}}


def read(tags: Mapping[str, str]) -> tuple[str, Routes] | None:
    """Return the target and document that tags hold, or ``None``.

    Raises:
        RouterError: If somebody has written something else into them.
    """
    if PREFIX not in tags:
        return None
    try:
        packed = "".join(tags[f"{PREFIX}:{number}"] for number in range(int(tags[PREFIX])))
        whole = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        raw = json.loads(whole)
        return str(raw["target"]), _decoder().validate_json(json.dumps(raw["routes"]))
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise RouterError(
            f"tags {PREFIX}:* of the rule are damaged ({type(error).__name__}): remove them, and apply the routes again"
        ) from error


@cache
def _decoder() -> TypeAdapter[Routes]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- 200 ms that only readers pay

    return TypeAdapter(Routes)
