"""The last words of containers, less the secrets that they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.host import _hidden

if TYPE_CHECKING:
    from fairdeploy.backends.compose._place import Place
    from fairdeploy.backends.compose._site import Site
    from fairdeploy.model import InstanceId, RevisionId

__all__ = ["last_words"]


async def last_words(
    site: Site, place: Place, revision: RevisionId, lines: int
) -> dict[InstanceId, tuple[str, ...]]:
    """Return the last lines of each container of a revision; a mask stands for each secret of the release.

    Raises:
        BackendError: If the engine cannot tell.
    """
    seen = await site.seen(place)
    record = seen.paper.records.get(revision)
    names = () if record is None else record.secrets
    said: dict[InstanceId, tuple[str, ...]] = {}
    for each in seen.of(revision):
        secrets = [each.environment[name] for name in names if name in each.environment]
        said[each.instance] = _hidden.hide(await site.engine.said(each, lines), secrets)
    return said
