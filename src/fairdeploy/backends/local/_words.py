"""The last words of instances, less the secrets that they were given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.backends.local import _scan, _tail
from fairdeploy.host import _hidden

if TYPE_CHECKING:
    from fairdeploy.backends.local._layout import Layout
    from fairdeploy.model import InstanceId, RevisionId

__all__ = ["last_words"]


def last_words(layout: Layout, revision: RevisionId, lines: int) -> dict[InstanceId, tuple[str, ...]]:
    """Return the last lines of each instance of a revision. Blocks: give it a thread."""
    return {
        record.id: _hidden.hide(_tail.last(layout.log(record.id), lines), _hidden.values(record.secrets))
        for record in _scan.records(layout)
        if record.revision == revision
    }
