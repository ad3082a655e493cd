"""Who else keeps an object as they have it written down, and would put back what we change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fairdeploy.errors import Refused

if TYPE_CHECKING:
    from fairdeploy.routing.kubernetes.client import Object

__all__ = ["owner_of", "refuse_owned"]

_MARKS: Final = (
    ("Argo CD", "argocd.argoproj.io/tracking-id"),
    ("Argo CD", "argocd.argoproj.io/instance"),
    ("Flux", "kustomize.toolkit.fluxcd.io/name"),
    ("Flux", "helm.toolkit.fluxcd.io/name"),
    ("Helm", "meta.helm.sh/release-name"),
)
"""Labels and annotations that each writes on what it keeps, by its own documentation; Flux before Helm, which it runs."""


def owner_of(found: Object) -> str | None:
    """Return who keeps an object, such as ``Argo CD``, or ``None``."""
    meta = found["metadata"]
    marks = {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}
    owner = next((owner for owner, mark in _MARKS if mark in marks), None)
    return owner or ("Helm" if marks.get("app.kubernetes.io/managed-by") == "Helm" else None)


def refuse_owned(found: Object, kind: str, fields: tuple[str, ...]) -> None:
    """Do nothing if nobody keeps an object.

    Args:
        found: The object.
        kind: Such as ``Service``.
        fields: JSON pointers of what we would change.

    Raises:
        Refused: If somebody does; the message says how to tell him to leave these fields alone.
    """
    owner, name = owner_of(found), found["metadata"]["name"]
    if owner is None:
        return
    raise Refused(
        f"{kind} {name!r} is kept by {owner}, which would put back what is changed: tell it so, and then open with "
        f"ignored=True; or roll out by Delegated(). {_rule(owner, kind, name, fields)}"
    )


def _rule(owner: str, kind: str, name: str, fields: tuple[str, ...]) -> str:
    if owner == "Argo CD":
        pointers = ", ".join(fields)
        return (
            f"In the Application: spec.ignoreDifferences: [{{kind: {kind}, name: {name}, jsonPointers: [{pointers}]}}], "
            "and spec.syncPolicy.syncOptions: [RespectIgnoreDifferences=true]"
        )
    if owner == "Flux":
        return (
            f"Annotate the {kind}: kustomize.toolkit.fluxcd.io/ssa: IfNotPresent; in a HelmRelease, "
            f"spec.driftDetection.ignore: [{{paths: [{', '.join(fields)}], target: {{kind: {kind}, name: {name}}}}}]"
        )
    return f"Take {', '.join(fields)} out of the chart's template of the {kind}: the next 'helm upgrade' writes them else"
