"""Last words, from CloudWatch Logs, where the task definition sends them there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.aws import code_of
from fairdeploy.backends.ecs import _definition, _tasks
from fairdeploy.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fairdeploy.aws import AWS, Answer

__all__ = ["words"]


async def words(
    aws: AWS, definition: Answer, service: Answer, tasks: Sequence[Answer], lines: int
) -> dict[str, tuple[str, ...]]:
    """Return the last lines of each task that wrote any, oldest first; of tasks that failed, only of the last.

    Raises:
        BackendError: If the logs cannot be read.
    """
    container = _definition.main(definition, service)
    log = container.get("logConfiguration", {})
    options = log.get("options", {})
    if log.get("logDriver") != "awslogs" or "awslogs-stream-prefix" not in options:
        return {}
    said: dict[str, tuple[str, ...]] = {}
    failed = [raw for raw in tasks if raw.get("stopCode") in _tasks.FAILED]
    for raw in (each for each in tasks if each not in failed[:-1]):
        stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{_tasks.id_of(raw)}"
        if found := await _read(aws, options["awslogs-group"], stream, lines):
            said[_tasks.id_of(raw)] = found
    return said


async def _read(aws: AWS, group: str, stream: str, lines: int) -> tuple[str, ...]:
    try:
        answer = await aws.call(
            "logs",
            "get_log_events",
            logGroupName=group,
            logStreamName=stream,
            limit=lines,
            startFromHead=False,
        )
    except BackendError as error:
        if code_of(error) == "ResourceNotFoundException":
            return ()  # it has not written anything
        raise
    return tuple(str(event["message"]).rstrip("\n") for event in answer["events"][-lines:])
