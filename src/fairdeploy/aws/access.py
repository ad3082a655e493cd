"""One account and region, as this program sees it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, final

import aioboto3  # type: ignore[import-untyped]  # what is used of it is written below
import anyio
from botocore.config import Config  # type: ignore[import-untyped]  # as above
from botocore.loaders import create_loader  # type: ignore[import-untyped]  # as above

from fairdeploy.aws.refusal import KNOWN, mapped
from fairdeploy.errors import BackendError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fairdeploy.errors import FairdeployError

__all__ = ["AWS", "Answer"]

Answer: TypeAlias = dict[str, Any]
"""What AWS answers. `Any`: its shapes are botocore's data files, of which there are no types."""

_ATTEMPTS = 5
"""Tries of one call that is throttled or broken off, with growing pauses (botocore's standard retries; its default is 3)."""
_SECONDS = 45.0
"""Longest that one call may take, its retries included: less than the engine gives an effect."""
_CLOSE_SECONDS = 5.0


def _session(region: str) -> Any:  # noqa: ANN401 -- aioboto3 has no types
    """Return a session that reads each service's description once a process: some take half a second."""
    made = aioboto3.Session(region_name=region)
    inner = made._session  # noqa: SLF001 -- the only way to its components
    inner.register_component("data_loader", _loader(inner.get_config_variable("data_path") or ""))
    return made


@cache
def _loader(path: str) -> Any:  # noqa: ANN401 -- botocore has no types
    return create_loader(path or None)


@final
class AWS:
    """Clients of one region, made when they are first asked, shared by all that ask there.

    Open it with `AWS.open`. On asyncio only: aioboto3 runs nowhere else. Credentials are found as boto3
    finds them (environment, profile, role) and never written down.
    """

    def __init__(
        self,
        session: object,
        *,
        region: str,
        endpoint: str | None,
        owned: AsyncExitStack,
        kind: type[FairdeployError] = BackendError,
        clients: dict[str, Any] | None = None,
    ) -> None:
        self.region = region
        self.endpoint = endpoint
        self._session: Any = session  # aioboto3 has no types
        self._owned = owned
        self._kind = kind
        self._clients = {} if clients is None else clients
        self._making = anyio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, region: str, *, endpoint: str | None = None) -> AsyncGenerator[AWS]:
        """Open a region.

        Args:
            region: Such as ``"eu-central-1"``.
            endpoint: Another address for every service, for an emulator; ``None``: AWS itself.

        Yields:
            The access.

        Raises:
            InvalidInput: If there is no such region.
        """
        session = _session(region)
        known = await session.get_available_regions("ecs")
        if endpoint is None and region not in known:
            near = get_close_matches(region, known, n=1)
            hint = f"is {near[0]!r} meant?" if near else "such as 'eu-central-1'"
            msg = f"AWS has no region {region!r} with ECS that this botocore knows: {hint}"
            raise InvalidInput(msg)
        owned = AsyncExitStack()
        try:
            yield cls(session, region=region, endpoint=endpoint, owned=owned)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await owned.aclose()

    def raising(self, kind: type[FairdeployError]) -> AWS:
        """Return the same access, whose errors are of another kind."""
        found = AWS(
            self._session,
            region=self.region,
            endpoint=self.endpoint,
            owned=self._owned,
            kind=kind,
            clients=self._clients,
        )
        found._making = self._making
        return found

    async def call(self, service: str, operation: str, /, **arguments: object) -> Answer:
        """Ask once, with retries of what is throttled or broken off.

        Args:
            service: As boto3 names it, such as ``"elbv2"``.
            operation: As boto3 names it, such as ``"describe_rules"``.
            arguments: Of the operation; those that are ``None`` are left out.

        Raises:
            FairdeployError: Of the kind that this access raises; see `FairdeployError.retryable`.
        """
        doing = f"{service}:{''.join(part.capitalize() for part in operation.split('_'))}"
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            with anyio.fail_after(_SECONDS):
                client = await self._client(service)
                answer: Answer = await getattr(client, operation)(**given)
        except KNOWN as error:
            raise mapped(error, doing, self.region, self._kind) from error
        return answer

    async def pages(
        self, service: str, operation: str, part: str, /, *, token: tuple[str, str], **arguments: object
    ) -> list[Any]:
        """Ask for every page, and return one part of all.

        Args:
            service: As in `call`.
            operation: As in `call`.
            part: The list in each answer.
            token: What an answer calls its next page, and what the next request calls it.
            arguments: As in `call`.

        Raises:
            FairdeployError: As in `call`.
        """
        answered, asked = token
        found: list[Any] = []
        mark: object = None
        while True:
            more = {asked: mark} if mark else {}
            answer = await self.call(service, operation, **arguments, **more)
            found += answer.get(part, [])
            mark = answer.get(answered)
            if not mark:
                return found

    async def _client(self, service: str) -> Any:  # noqa: ANN401 -- aioboto3's clients are made at run time
        async with self._making:
            if service not in self._clients:
                config = Config(
                    connect_timeout=5,
                    read_timeout=20,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                )
                made = self._session.client(service, endpoint_url=self.endpoint, config=config)
                self._clients[service] = await self._owned.enter_async_context(made)
            return self._clients[service]
