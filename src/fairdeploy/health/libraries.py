"""What needs a library that takes long to import, or an extra: loaded where it is first asked for, in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

import anyio.to_thread

from fairdeploy.errors import MissingDependency

if TYPE_CHECKING:
    from types import ModuleType

    from fairdeploy.health.finding import Finding
    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import HTTPCheck, OIDCCheck, PostgresCheck, PrometheusCheck, StorageCheck
    from fairdeploy.protocols import Subject

__all__ = ["http", "oidc", "postgres", "prometheus", "s3"]

T = TypeVar("T")
_Ask: TypeAlias = "Callable[[T, Secrets], Awaitable[Finding]]"

_loaded: dict[str, ModuleType] = {}


async def http() -> Callable[[HTTPCheck, Secrets, str, str | None, str], Awaitable[Finding]]:
    """Return what asks over HTTP."""
    module = await _module("_web", "")
    return cast("Callable[[HTTPCheck, Secrets, str, str | None, str], Awaitable[Finding]]", module.ask_http)


async def prometheus() -> Callable[[PrometheusCheck, Secrets, Subject], Awaitable[Finding]]:
    """Return what asks Prometheus."""
    module = await _module("_prometheus", "")
    return cast("Callable[[PrometheusCheck, Secrets, Subject], Awaitable[Finding]]", module.ask_prometheus)


async def postgres() -> _Ask[PostgresCheck]:
    """Return what asks PostgreSQL.

    Raises:
        MissingDependency: If the extra is not installed.
    """
    return cast("_Ask[PostgresCheck]", (await _module("_postgres", "postgres")).ask_postgres)


async def oidc() -> _Ask[OIDCCheck]:
    """Return what asks an OpenID Connect provider.

    Raises:
        MissingDependency: If the extra is not installed.
    """
    return cast("_Ask[OIDCCheck]", (await _module("_oidc", "oidc")).ask_oidc)


async def s3() -> _Ask[StorageCheck]:
    """Return what asks a bucket.

    Raises:
        MissingDependency: If the extra is not installed.
    """
    first = "_s3" not in _loaded
    module = await _module("_s3", "s3")
    if first:
        await anyio.to_thread.run_sync(module.warm)
    return cast("_Ask[StorageCheck]", module.ask_bucket)


async def _module(name: str, extra: str) -> ModuleType:
    found = _loaded.get(name)
    if found is None:
        try:
            found = await anyio.to_thread.run_sync(import_module, f"fairdeploy.health.{name}")
        except ImportError as error:
            raise MissingDependency(
                f'{error.name or name!r} is not installed: pip install "fairdeploy[{extra}]"'
            ) from error
        _loaded[name] = found
    return found
