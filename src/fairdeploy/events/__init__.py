"""News of rollouts for people and other programs: a cursor over the journal, and where it leads."""

from __future__ import annotations

from fairdeploy.events.apprise import AppriseSink
from fairdeploy.events.cdevents import CDEventsSink
from fairdeploy.events.courier import Courier
from fairdeploy.events.dora import DORA, dora
from fairdeploy.events.github import GitHubSink
from fairdeploy.events.grafana import GrafanaSink
from fairdeploy.events.log import LogSink
from fairdeploy.events.noticing import notice_of
from fairdeploy.events.timing import Times, times_of
from fairdeploy.events.webhook import WebhookSink

__all__ = [
    "DORA",
    "AppriseSink",
    "CDEventsSink",
    "Courier",
    "GitHubSink",
    "GrafanaSink",
    "LogSink",
    "Times",
    "WebhookSink",
    "dora",
    "notice_of",
    "times_of",
]
