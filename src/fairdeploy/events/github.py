"""Rollouts as deployments at GitHub: what stands beside a commit, and where it serves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import quote

from anyio.lowlevel import checkpoint

from fairdeploy.errors import InvalidInput, NotificationError
from fairdeploy.events._door import Door, bearer
from fairdeploy.events.outcomes import GITHUB
from fairdeploy.model import _check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.model import Notice, SecretRef, Subject

__all__ = ["GitHubSink"]

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_LONGEST: Final = 140
"""Characters of a description that GitHub takes."""
_ANSWER: Final = 1 << 20
_STATES: Final = {
    "began": "in_progress",
    "parked": "pending",
    "undoing": "in_progress",
    "took_over": "in_progress",
}


@final
class GitHubSink:
    """An `EventSink` that keeps a deployment with its statuses at GitHub, one for each rollout and target.

    A rollout is found again by the deployment's task, so that nothing is kept here and none is made twice.

    Args:
        repository: ``owner/name``.
        token: May write deployments.
        ref: Commit, tag or branch of a release; ``{version}`` in it is the release's version.
        url: Of the API; another one for GitHub Enterprise.
        name: See `EventSink.name`.
        allow: Networks besides public addresses that it may lead to.
        plaintext: Whether ``http://`` will do.
        timeout: Seconds for one message, 0.1 to 600.
        ca_file: Certificates to trust instead of the usual ones.

    Raises:
        InvalidInput: If a value cannot be.
    """

    def __init__(
        self,
        repository: str,
        token: SecretRef,
        *,
        ref: str = "v{version}",
        url: str = "https://api.github.com",
        name: str = "github",
        allow: Sequence[str] = (),
        plaintext: bool = False,
        timeout: float = 10.0,
        ca_file: str | None = None,
    ) -> None:
        if not isinstance(repository, str) or not _REPOSITORY.fullmatch(repository):
            raise InvalidInput(f"repository must be 'owner/name', not {repository!r}")
        self._door = Door(url, allow=allow, plaintext=plaintext, timeout=timeout, ca_file=ca_file)
        self._below = f"/repos/{repository}/deployments"
        if not isinstance(ref, str) or not ref:
            raise InvalidInput(f"ref must name a commit, tag or branch, such as 'v{{version}}', not {ref!r}")
        self._token, self._ref = token, ref
        self._name = _check.name(name, "a sink")

    @property
    def name(self) -> str:
        """See `EventSink.name`."""
        return self._name

    async def deliver(self, notice: Notice) -> None:
        """See `EventSink.deliver`. What brings no new revision is no deployment.

        Raises:
            NotificationError: If GitHub did not take it.
            Unbound: If the token cannot be found.
        """
        await checkpoint()
        state = GITHUB[notice.outcome] if notice.outcome is not None else _STATES.get(notice.kind)
        for subject in notice.subjects:
            if state is None or subject.after is None:
                continue
            number = await self._found(notice, subject) or await self._made(notice, subject)
            status = {
                "state": state,
                "description": notice.title[:_LONGEST],
                "environment": subject.environment,
            }
            await self._said(notice, f"/{number}/statuses", status)

    async def _found(self, notice: Notice, subject: Subject) -> int | None:
        asked = f"?task={quote(_task(notice), safe='')}&environment={quote(subject.environment, safe='')}"
        found = await self._said(notice, asked, None)
        return int(found[0]["id"]) if isinstance(found, list) and found else None

    async def _made(self, notice: Notice, subject: Subject) -> int:
        wanted = {
            "ref": self._ref.replace("{version}", subject.version),
            "task": _task(notice),
            "environment": subject.environment,
            "description": notice.title[:_LONGEST],
            "auto_merge": False,
            "required_contexts": [],
            "production_environment": subject.environment == "production",
        }
        made = await self._said(notice, "", wanted)
        try:
            return int(made["id"])
        except (KeyError, TypeError, ValueError) as error:
            # 202 says that it has merged something first, which we never ask for.
            raise NotificationError(
                f"GitHub made no deployment of {notice.rollout!r}: {made!r:.200}"
            ) from error

    async def _said(self, notice: Notice, below: str, body: dict[str, Any] | None) -> Any:  # noqa: ANN401 -- GitHub's answer
        headers = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
            **bearer(self._token),
        }
        answer = await self._door.send(
            notice.id,
            b"" if body is None else json.dumps(body).encode(),
            headers,
            below=self._below + below,
            method="GET" if body is None else "POST",
            most=_ANSWER,
        )
        try:
            return json.loads(answer)
        except ValueError as error:
            raise NotificationError(f"GitHub's answer about {notice.rollout!r} is no JSON") from error


def _task(notice: Notice) -> str:
    return f"fairdeploy:{notice.rollout}"
