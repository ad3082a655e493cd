"""Tiny applications to deploy: `python -m fairdeploy.testing.apps.polite --port 8001 --revision v1`.

`polite` finishes what it has begun when it is told to stop; `rude` cuts everything. Both serve the same paths:

| path | answer |
|---|---|
| `/` | small JSON with the revision; the one that `--fail-percent` and `--fail-every` spoil |
| `/health` | 200, or `--health-status`; never spoiled; unanswered with `--ignore-health` |
| `/slow?seconds=5` | JSON, after so long |
| `/stream?chunks=10&every=0.1` | text in chunks |
| `POST /echo` | the body |
| `/ws` | a websocket that echoes |
| `/login` | sets the cookie `session` |
| `/crash` | none: the process exits with status 3 |
| `/hang` | none: the whole process stops answering, its health included |

Every answer carries `x-revision`. They need `uvicorn` and, for `/ws`, `websockets`.
"""
