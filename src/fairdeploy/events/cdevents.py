"""Milestones as CDEvents in CloudEvents, for whatever else listens to deliveries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import quote

from anyio.lowlevel import checkpoint

from fairdeploy.errors import InvalidInput
from fairdeploy.events._door import Door, bearer
from fairdeploy.events.outcomes import CDEVENTS
from fairdeploy.model import Outcome, _check

if TYPE_CHECKING:
    from fairdeploy.model import Notice, SecretRef, Subject

__all__ = ["CDEventsSink"]

_SPEC: Final = "0.5.1"
"""Of CDEvents; each kind of event has a version of its own in its type."""


@final
class CDEventsSink:
    """An `EventSink` that tells milestones as CDEvents 0.5.1, each a CloudEvent of its own by HTTP.

    ``pipelinerun.started`` and ``.finished`` for a rollout; for each target ``service.deployed`` (a first time),
    ``.upgraded`` or ``.rolledback``; ``incident.detected`` where a person is needed. The id stays the same when a
    notice is delivered again.

    Args:
        url: Of the receiver; see `WebhookSink`.
        source: Who tells, a URI reference.
        token: Sent as a bearer's, if the receiver wants one.
        name: See `EventSink.name`.
        allow: Networks besides public addresses that it may lead to.
        plaintext: Whether ``http://`` will do.
        timeout: Seconds for one message, 0.1 to 600.
        ca_file: Certificates to trust instead of the usual ones.

    Raises:
        InvalidInput: If the URL or a value cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        source: str = "/fairdeploy",
        token: SecretRef | None = None,
        name: str = "cdevents",
        allow: Sequence[str] = (),
        plaintext: bool = False,
        timeout: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        self._door = Door(url, allow=allow, plaintext=plaintext, timeout=timeout, ca_file=ca_file)
        if not isinstance(source, str) or not source:
            raise InvalidInput(f"source must be a URI reference such as '/fairdeploy', not {source!r}")
        self._source, self._token = source, token
        self._name = _check.name(name, "a sink")

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`.

        Raises:
            NotificationError: If a message was not taken.
            Unbound: If the token cannot be found.
        """
        await checkpoint()
        headers = {"content-type": "application/cloudevents+json", **bearer(self._token)}
        for event in _events(notice, self._source):
            await self._door.send(notice.id, json.dumps(event, sort_keys=True).encode(), headers)


def _events(notice: Notice, source: str) -> Iterator[dict[str, Any]]:
    run = {
        "pipelineName": f"{notice.strategy} of {', '.join(notice.targets)}",
        "uri": f"{source}/rollouts/{notice.rollout}",
    }
    if notice.kind == "began":
        yield _event(notice, source, "pipelinerun.started.0.3.0", notice.rollout, run)
    if notice.outcome is None:
        return
    for number, subject in enumerate(notice.subjects):
        found = _of_service(notice.outcome, subject)
        if found is not None:
            content = {"environment": {"id": subject.environment}, "artifactId": _purl(subject)}
            yield _event(notice, source, found, subject.target, content, number=number)
        if notice.outcome is Outcome.NEEDS_ATTENTION:
            content = {
                "environment": {"id": subject.environment},
                "service": {"id": subject.target},
                "description": notice.text or notice.title,
            }
            yield _event(notice, source, "incident.detected.0.3.0", notice.rollout, content, number=number)
    ended = {**run, "outcome": CDEVENTS[notice.outcome]}
    if notice.outcome is not Outcome.PROMOTED:
        ended["errors"] = notice.text or notice.title
    yield _event(notice, source, "pipelinerun.finished.0.3.0", notice.rollout, ended)


def _of_service(outcome: Outcome, subject: Subject) -> str | None:
    if subject.after is None:
        return None
    match outcome:
        case Outcome.PROMOTED:
            return "service.upgraded.0.3.0" if subject.before else "service.deployed.0.3.0"
        case Outcome.ROLLED_BACK if subject.before:
            return "service.rolledback.0.3.0"
        case _:
            return None


def _event(
    notice: Notice, source: str, kind: str, subject: str, content: dict[str, Any], *, number: int = 0
) -> dict[str, Any]:
    """Return a CloudEvent (1.0, structured) around a CDEvent; what both say is the same."""
    id_ = f"{notice.id}-{kind.rsplit('.', 3)[0]}-{number}"
    time = datetime.fromtimestamp(notice.at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    said = {"id": id_, "source": source, "type": f"dev.cdevents.{kind}"}
    context = {**said, "specversion": _SPEC, "timestamp": time}
    data = {"context": context, "subject": {"id": subject, "source": source, "content": content}}
    envelope = {"specversion": "1.0", "subject": subject, "time": time, "datacontenttype": "application/json"}
    return {**said, **envelope, "data": data}


def _purl(subject: Subject) -> str:
    """Return a package URL (https://github.com/package-url/purl-spec) of what was deployed."""
    if not subject.image:
        return f"pkg:generic/{quote(subject.app, safe='')}@{quote(subject.version, safe='')}"
    reference, _, digest = subject.image.partition("@")
    path, colon, tag = reference.rpartition(":")
    repository, tag = (path, tag) if colon and "/" not in tag else (reference, "")
    name = repository.rsplit("/", 1)[-1].lower()
    version = f"@{quote(digest, safe='')}" if digest else ""
    kept = {"repository_url": repository if "/" in repository else "", "tag": tag}
    rest = "&".join(f"{key}={quote(value, safe='/')}" for key, value in kept.items() if value)
    return f"pkg:oci/{quote(name, safe='')}{version}" + (f"?{rest}" if rest else "")
