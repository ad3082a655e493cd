"""Checks for stacks that are known: to be taken whole, or in part, as every one is a plain value.

Paths and ports are those of FAIRDatabase's own compose file (its fork at be091e4, 2026-04) and of Supabase's
self-hosting one; FAIRDatabase itself has none of the paths that `endpoints` asks by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.health.rule import HealthRule
from fairdeploy.model import CommandCheck, HTTPCheck, PostgresCheck, SecretRef, StorageCheck

if TYPE_CHECKING:
    from fairdeploy.model import Asked

__all__ = ["endpoints", "exited", "fairdatabase", "supabase"]

_OK = (200, 200)
_STEADY = 3
"""Failures in a row that count for a service in a container: one restart is no outage."""


def endpoints(url: str, *paths: str, timeout_ms: int = 5_000, bearer: SecretRef | None = None) -> HTTPCheck:
    """Return that every endpoint of an API answers 200, as the document that this library implements has it.

    Args:
        url: Where, such as ``https://db.example.org``.
        paths: Default ``/health``, ``/api/v1/samples`` and ``/api/v1/metadata``.
        timeout_ms: For each.
        bearer: A token to send.

    Raises:
        InvalidInput: If it is no URL.
    """
    asked = paths or ("/health", "/api/v1/samples", "/api/v1/metadata")
    base = url.rstrip("/")
    return HTTPCheck(
        *(base + path for path in asked), status=_OK, scope="shared", timeout_ms=timeout_ms, bearer=bearer
    )


def exited(container: str, *, program: str = "docker") -> CommandCheck:
    """Return that a container which works once, and ends, has ended with 0.

    Args:
        container: Its name, such as ``supabase-db-init``.
        program: ``docker`` or ``podman``.
    """
    form = "{{.State.Status}} {{.State.ExitCode}}"
    return CommandCheck(
        [program, "container", "inspect", "--format", form, container],
        contains="exited 0",
        scope="shared",
        timeout_ms=10_000,
    )


def supabase(
    *,
    anon: SecretRef,
    gateway: str = "http://127.0.0.1:8000",
    dsn: SecretRef | None = None,
    inside: bool = False,
    program: str | None = None,
) -> dict[str, HealthRule]:
    """Return the checks of a Supabase that one hosts oneself.

    Args:
        anon: The anonymous key, which the gateway wants as ``apikey``.
        gateway: Where Kong listens.
        dsn: Of its PostgreSQL; ``None``: that is not asked.
        inside: Whether this runs in the stack's own network, where storage, realtime, the pooler and
            the log collector can be asked by name.
        program: ``docker`` or ``podman``, to ask inside the image proxy; ``None``: it is not asked.

    Raises:
        InvalidInput: If the gateway is no URL.
    """
    checks: dict[str, Asked] = {
        "auth": HTTPCheck(
            f"{gateway.rstrip('/')}/auth/v1/health", status=_OK, send={"apikey": anon}, scope="shared"
        )
    }
    advisory: dict[str, Asked] = {}
    if dsn is not None:
        checks["database"] = PostgresCheck(dsn, role="primary")
    if inside:
        checks["storage"] = HTTPCheck("http://storage:5000/status", status=_OK, scope="shared")
        checks["realtime"] = HTTPCheck(
            "http://realtime-dev.supabase-realtime:4000/api/tenants/realtime-dev/health",
            status=_OK,
            bearer=anon,
            scope="shared",
        )
        checks["pooler"] = HTTPCheck("http://supavisor:4000/api/health", status=(200, 204), scope="shared")
        advisory["logs"] = HTTPCheck("http://vector:9001/health", status=_OK, scope="shared")
    if program is not None:
        advisory["images"] = CommandCheck(
            [program, "exec", "supabase-imgproxy", "imgproxy", "health"], scope="shared"
        )
    return {name: HealthRule(check, failures=_STEADY) for name, check in checks.items()} | {
        name: HealthRule(check, failures=_STEADY, required=False) for name, check in advisory.items()
    }


def fairdatabase(
    *,
    app: str = "http://127.0.0.1:5000",
    anon: SecretRef | None = None,
    gateway: str = "http://127.0.0.1:8000",
    dsn: SecretRef | None = None,
    uploads: str | None = None,
    program: str | None = None,
) -> dict[str, HealthRule]:
    """Return the checks of a FAIRDatabase and of the Supabase that it stands on.

    Its start page asks the database in every request, so that it tells whether the application is
    ready; do not restart it for that, as a database that is down would then take it along.

    Args:
        app: Where the application listens.
        anon: As in `supabase`; ``None``: the Supabase is not asked.
        gateway: As in `supabase`.
        dsn: As in `supabase`.
        uploads: Folder that uploads are kept in; ``None``: it is not asked.
        program: ``docker`` or ``podman``, to ask for the container that prepares the database, which
            has ended with 0 when all is well; ``None``: it is not asked.

    Raises:
        InvalidInput: If an address is no URL.
    """
    checks = {
        "app": HealthRule(HTTPCheck(f"{app.rstrip('/')}/", status=_OK, scope="shared"), failures=_STEADY)
    }
    if uploads is not None:
        checks["uploads"] = HealthRule(StorageCheck(uploads))
    if program is not None:
        checks["db-init"] = HealthRule(exited("supabase-db-init", program=program))
    if anon is not None:
        return checks | supabase(anon=anon, gateway=gateway, dsn=dsn, program=program)
    if dsn is not None:
        checks["database"] = HealthRule(PostgresCheck(dsn, role="primary"), failures=_STEADY)
    return checks
