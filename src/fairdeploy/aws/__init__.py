"""How AWS is asked: one session, clients made when they are needed, retries with a budget, errors in our words."""

from __future__ import annotations

from fairdeploy.aws.access import AWS, Answer
from fairdeploy.aws.recent import Recent
from fairdeploy.aws.refusal import code_of, mapped

__all__ = ["AWS", "Answer", "Recent", "code_of", "mapped"]
