"""A load generator that never retries and tells what became of every request.

```python
async with generate_load("http://127.0.0.1:8080", mix=standard_mix(), rate=300.0) as load:
    ...  # roll out
report = load.report()
assert report.lost == 0, str(report)
```

Every request ends in exactly one of three ways: `ok`, `app_error` (the application itself answered with a status of 500 or
more), or `lost`, with a `Cause`. From the command line, or to keep its event loop apart from the deployer's, it runs as a
process of its own: `python -m fairdeploy.testing.load URL --rate 300 --seconds 10`, or `load_process` from a program.
"""

from __future__ import annotations

from fairdeploy.testing.load.generator import Load, generate_load
from fairdeploy.testing.load.outcomes import Answer, Cause, Classifier, Loss, Verdict, answered_by_app
from fairdeploy.testing.load.process import LoadProcess, load_process
from fairdeploy.testing.load.report import KindReport, Latency, LoadReport, LostRequest, RevisionReport
from fairdeploy.testing.load.settings import LoadSettings
from fairdeploy.testing.load.traffic import (
    Get,
    Post,
    Traffic,
    WebSocket,
    keep_alive,
    new_connection,
    post,
    slow,
    standard_mix,
    websocket,
)

__all__ = [
    "Answer",
    "Cause",
    "Classifier",
    "Get",
    "KindReport",
    "Latency",
    "Load",
    "LoadProcess",
    "LoadReport",
    "LoadSettings",
    "Loss",
    "LostRequest",
    "Post",
    "RevisionReport",
    "Traffic",
    "Verdict",
    "WebSocket",
    "answered_by_app",
    "generate_load",
    "keep_alive",
    "load_process",
    "new_connection",
    "post",
    "slow",
    "standard_mix",
    "websocket",
]
