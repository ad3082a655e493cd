"""The files that Prometheus and Grafana read. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fairdeploy.provision.on_premise.wanted import Monitoring

__all__ = ["monitoring_files"]

_PANELS: Final = (
    ("Targets that answer", "up", "short"),
    (
        "Requests per second, by revision",
        'sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_completed{envoy_cluster_name=~"s.*"}[1m]))',
        "reqps",
    ),
    (
        "Errors per second, by revision",
        'sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}[1m]))',
        "reqps",
    ),
    (
        "Time to answer, 99 %",
        "histogram_quantile(0.99, sum by (le, envoy_cluster_name) (rate(envoy_cluster_upstream_rq_time_bucket[1m])))",
        "ms",
    ),
    ("Requests in flight", "sum by (envoy_cluster_name) (envoy_cluster_upstream_rq_active)", "short"),
)
"""Title, question and unit: the application, the router, the rollout."""


def monitoring_files(wanted: Monitoring, project: str) -> Mapping[str, str]:
    """Return the files by path below the monitoring folder. JSON is YAML, so that no writer of YAML is needed."""
    files = {
        "compose.yaml": _compose(wanted, project),
        "prometheus.yml": {
            "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
            "scrape_configs": [
                {"job_name": "prometheus", "static_configs": [{"targets": ["localhost:9090"]}]},
                *(
                    {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                    for job, addresses in sorted(wanted.scrape.items())
                ),
            ],
        },
    }
    if wanted.grafana_image:
        source = {
            "name": "Prometheus",
            "type": "prometheus",
            "uid": "prometheus",
            "access": "proxy",
            "url": "http://prometheus:9090",
            "isDefault": True,
        }
        provider = {"name": "fairdeploy", "type": "file", "options": {"path": "/var/lib/grafana/dashboards"}}
        files["grafana/provisioning/datasources/prometheus.yml"] = {"apiVersion": 1, "datasources": [source]}
        files["grafana/provisioning/dashboards/fairdeploy.yml"] = {"apiVersion": 1, "providers": [provider]}
        files["grafana/dashboards/fairdeploy.json"] = _dashboard(project)
    return {path: json.dumps(content, indent=2) + "\n" for path, content in files.items()}


def _compose(wanted: Monitoring, project: str) -> dict[str, object]:
    services: dict[str, object] = {
        "prometheus": {
            "image": wanted.prometheus_image,
            "restart": "unless-stopped",
            "ports": [f"{wanted.address}:{wanted.prometheus_port}:9090"],
            "volumes": ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro", "prometheus:/prometheus"],
        }
    }
    volumes: dict[str, object] = {"prometheus": {}}
    if wanted.grafana_image:
        services["grafana"] = {
            "image": wanted.grafana_image,
            "restart": "unless-stopped",
            "depends_on": ["prometheus"],
            "ports": [f"{wanted.address}:{wanted.grafana_port}:3000"],
            "volumes": [
                "./grafana/provisioning:/etc/grafana/provisioning:ro",
                "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
                "grafana:/var/lib/grafana",
            ],
        }
        volumes["grafana"] = {}
    return {"name": f"{project}-monitoring", "services": services, "volumes": volumes}


def _dashboard(project: str) -> dict[str, object]:
    panels = [
        {
            "id": number,
            "type": "timeseries",
            "title": title,
            "datasource": {"type": "prometheus", "uid": "prometheus"},
            "gridPos": {"x": 12 * ((number - 1) % 2), "y": 8 * ((number - 1) // 2), "w": 12, "h": 8},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
            "targets": [{"refId": "A", "expr": question}],
        }
        for number, (title, question, unit) in enumerate(_PANELS, start=1)
    ]
    return {
        "uid": f"fairdeploy-{project}"[:40],
        "title": f"{project}: application, router, rollout",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }
