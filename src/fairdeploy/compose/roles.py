"""What a service is to a rollout. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fairdeploy.compose.starting import only_migrates

if TYPE_CHECKING:
    from collections.abc import Collection

    from fairdeploy.compose.file import ComposeFile, Service
    from fairdeploy.compose.parts import Mount
    from fairdeploy.compose.report import Role

__all__ = ["data", "is_database", "is_proxy", "role", "source_code"]

_DATABASES: Final = re.compile(
    r"(?:^|/)(?:postgres(?:ql)?|postgis|pgvector|timescaledb(?:-ha)?|mysql|mariadb|percona|mongo(?:db)?|redis(?:-stack)?|valkey|"
    r"elasticsearch|opensearch|solr|cassandra|couchdb|neo4j|influxdb|clickhouse(?:-server)?|cockroach|rabbitmq|nats|kafka|"
    r"zookeeper|etcd|consul|minio|mssql(?:-server|/server)?|memcached|vault|prometheus|"
    r"(?:redhat-cop|bitnami)/(?:kafka|zookeeper)|redpanda)(?:[:@]|$)"
)
_PROXIES: Final = re.compile(r"(?:^|/)(?:nginx|traefik|caddy|haproxy|envoy|kong|httpd|nginx-proxy)(?:[:@]|$)")
_DATA: Final = re.compile(
    r"^/(?:var/lib/(?!docker)|data\b|bitnami|var/opt/mssql|usr/share/elasticsearch/data)"
)
_NOT_DATA: Final = re.compile(
    r"docker\.sock$|^/(?:etc/(?:localtime|timezone)|dev|sys|proc|lib/modules|run|var/run)\b"
)


def is_database(service: Service) -> bool:
    """Tell whether its image is that of a database, queue or store."""
    return bool(service.image and _DATABASES.search(service.image))


def is_proxy(service: Service) -> bool:
    """Tell whether its image is that of a reverse proxy."""
    return bool(service.image and _PROXIES.search(service.image))


def data(service: Service) -> tuple[Mount, ...]:
    """Return the places with data of its own: writable, kept, and no window to the host."""
    return tuple(
        mount
        for mount in service.writable
        if not _NOT_DATA.search(mount.source or "") and not _NOT_DATA.search(mount.target)
    )


def source_code(service: Service, folder: str) -> tuple[Mount, ...]:
    """Return the mounts that put the developer's files over those of the image."""
    context = service.build.context if service.build else None
    return tuple(
        mount
        for mount in service.mounts
        if mount.kind == "bind"
        and mount.source
        and context is not None
        and (mount.source == context or mount.source.startswith(f"{context}/src") or mount.source == folder)
    )


def role(service: Service, file: ComposeFile, opted_in: Collection[str]) -> Role:
    """Return what a service is to a rollout."""
    if _is_one_shot(service, file):
        return "one-shot"
    kept = [mount for mount in data(service) if mount not in source_code(service, file.folder)]
    named = [mount for mount in kept if mount.source is not None]
    if service.name not in opted_in and (is_database(service) or named):
        return "stateful"
    return "web" if service.ports or service.expose or is_proxy(service) else "worker"


def _is_one_shot(service: Service, file: ComposeFile) -> bool:
    awaited = any(
        need.service == service.name and need.condition == "service_completed_successfully"
        for other in file.services.values()
        for need in other.depends_on
    )
    ends = service.restart in {None, "no"} or str(service.restart).startswith("on-failure")
    return awaited or (ends and not service.ports and only_migrates(service))
