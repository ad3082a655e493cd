"""What is refused before anything moves: order, severities and rules. Pure; `fairdeploy.preflight` looks."""

from __future__ import annotations

from fairdeploy.validation.order import concluded, stops, waves
from fairdeploy.validation.placeholder import is_secret_name, why_placeholder, why_weak
from fairdeploy.validation.room import Copies, Disk, Machine, cpu, disk, memory
from fairdeploy.validation.stopping import Idle, Stop, idle, stop
from fairdeploy.validation.traffic import lease, left_behind, weights
from fairdeploy.validation.written import described, image, plain_secrets, seriousness

__all__ = [
    "Copies",
    "Disk",
    "Idle",
    "Machine",
    "Stop",
    "concluded",
    "cpu",
    "described",
    "disk",
    "idle",
    "image",
    "is_secret_name",
    "lease",
    "left_behind",
    "memory",
    "plain_secrets",
    "seriousness",
    "stop",
    "stops",
    "waves",
    "weights",
    "why_placeholder",
    "why_weak",
]
