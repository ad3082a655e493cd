"""Task definitions that were asked for: a revision of one never changes, so each is asked for once."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, final

from fairdeploy.aws import code_of
from fairdeploy.backends.ecs import _definition, _services
from fairdeploy.errors import BackendError

if TYPE_CHECKING:
    from fairdeploy.aws import AWS, Answer
    from fairdeploy.backends.ecs._services import Service
    from fairdeploy.model import Release, RevisionId

__all__ = ["Definitions", "adopted", "short"]


def adopted(arn: str) -> RevisionId:
    """Return the revision that a task definition is, if no release made it."""
    return f"adopted-{sha256(arn.encode()).hexdigest()[:10]}"


def short(arn: str) -> str:
    """Return a task definition's family and number, which fit into a tag."""
    return arn.rpartition("/")[2]


@final
class Definitions:
    """Task definitions by ARN, or by family and number."""

    def __init__(self, aws: AWS) -> None:
        self._aws = aws
        self._known: dict[str, Answer] = {}

    async def get(self, name: str) -> Answer:
        """Return a task definition, with its tags.

        Raises:
            BackendError: If there is none, or AWS cannot be asked.
        """
        if short(name) not in self._known:
            self._known[short(name)] = await self._ask(name)
        return self._known[short(name)]

    async def revision(self, name: str) -> RevisionId:
        """Return which revision a task definition is.

        Raises:
            BackendError: As in `get`.
        """
        found = await self.get(name)
        return self._made(found) or adopted(found["taskDefinitionArn"])

    async def ours(self, name: str) -> bool:
        """Whether a release of ours made it.

        Raises:
            BackendError: As in `get`.
        """
        return self._made(await self.get(name)) is not None

    async def registered(
        self, service: Service, release: Release, revision: RevisionId, *, pattern: str
    ) -> str:
        """Return the ARN of a release's task definition: the newest one of the family if it is that, else a new one.

        Raises:
            StartError: If the release's image is not there.
            BackendError: If AWS refuses.
        """
        like = await self.get(pattern)
        try:
            newest = await self._ask(like["family"])
        except BackendError as error:
            if code_of(error) != "ClientException":  # the family may have no active one any more
                raise
        else:
            if self._made(newest) == revision:
                return str(newest["taskDefinitionArn"])
        image = await _definition.pinned(self._aws, release.image)
        wanted = _definition.definition(like, service.raw, release, revision, image)
        made = await self._aws.call("ecs", "register_task_definition", **wanted)
        return str(made["taskDefinition"]["taskDefinitionArn"])

    async def _ask(self, name: str) -> Answer:
        answer = await self._aws.call(
            "ecs", "describe_task_definition", taskDefinition=name, include=["TAGS"]
        )
        return {**answer["taskDefinition"], "tags": answer.get("tags", [])}

    def _made(self, found: Answer) -> RevisionId | None:
        return _services.tagged(found["tags"]).get(_services.REVISION)
