"""One outcome in every dialect."""

from __future__ import annotations

from typing import Final

from fairdeploy.model import Outcome

__all__ = ["CDEVENTS", "CICD", "DEPLOYMENT", "GITHUB"]

CICD: Final = {
    Outcome.PROMOTED: "success",
    Outcome.ROLLED_BACK: "failure",
    Outcome.ABORTED: "cancellation",
    Outcome.SUPERSEDED: "cancellation",
    Outcome.NEEDS_ATTENTION: "error",
}
"""``cicd.pipeline.result`` of OpenTelemetry's semantic conventions."""
DEPLOYMENT: Final = {
    Outcome.PROMOTED: "succeeded",
    Outcome.ROLLED_BACK: "failed",
    Outcome.ABORTED: "cancelled",
    Outcome.SUPERSEDED: "cancelled",
    Outcome.NEEDS_ATTENTION: "failed",
}
"""``deployment.status`` of the same; ``cancelled`` is ours, as others are allowed."""
CDEVENTS: Final = {
    Outcome.PROMOTED: "success",
    Outcome.ROLLED_BACK: "failure",
    Outcome.ABORTED: "cancel",
    Outcome.SUPERSEDED: "cancel",
    Outcome.NEEDS_ATTENTION: "error",
}
"""``outcome`` of ``pipelinerun.finished`` of CDEvents 0.5."""
GITHUB: Final = {
    Outcome.PROMOTED: "success",
    Outcome.ROLLED_BACK: "failure",
    Outcome.ABORTED: "inactive",
    Outcome.SUPERSEDED: "inactive",
    Outcome.NEEDS_ATTENTION: "error",
}
"""``state`` of a deployment's status at GitHub."""
