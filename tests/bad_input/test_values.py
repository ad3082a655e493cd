"""Values that cannot be right are refused where they are made: nothing exists yet that could change."""

# Wrong types are the point here, so the values are built through `Any`.
from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import fairdeploy
from fairdeploy import model
from fairdeploy.errors import InvalidInput, InvalidSplit
from tests.bad_input.row import Row, rows

api: Any = fairdeploy
words: Any = model

SERVE = ["serve", "{port}"]
LONG = "a" * 64
HOST_AND_PORT = "must be 'host:port', such as '127.0.0.1:8080'"


def release(**given: Any) -> object:  # noqa: ANN401 -- wrong types are the point
    """Make a release that would be right but for what is given."""
    return api.Release(given.pop("version", "2"), **{"command": SERVE, **given})


def target(app: Any = "shop", **given: Any) -> object:  # noqa: ANN401 -- as above
    """Make a target that would be right but for what is given."""
    return api.Target(app, **given)


TRAFFIC: list[Row[Callable[[], object]]] = [
    Row(
        "a split that sums to less",
        lambda: api.Split({"1-a": 9_000, "2-b": 500}),
        error=InvalidSplit,
        names={"1-a": 9_000, "2-b": 500},
        says="must sum to 10000 basis points (100 %), not 9500",
    ),
    Row(
        "a split that sums to more",
        lambda: api.Split({"1-a": 9_000, "2-b": 1_500}),
        error=InvalidSplit,
        names={"1-a": 9_000, "2-b": 1_500},
        says="must sum to 10000 basis points (100 %), not 10500",
    ),
    Row(
        "a negative share",
        lambda: api.Split({"1-a": 10_500, "2-b": -500}),
        error=InvalidSplit,
        names="1-a",
        says="must be a whole number from 0 to 10000",
    ),
    Row(
        "a share in percent",
        lambda: api.Split({"1-a": 99.5, "2-b": 0.5}),
        error=InvalidSplit,
        names=99.5,
        says="must be a whole number from 0 to 10000",
    ),
    Row(
        "a split that is a list",
        lambda: api.Split(["1-a"]),
        error=InvalidSplit,
        names=["1-a"],
        says="must be a mapping, such as",
    ),
    Row(
        "steps that do not increase",
        lambda: api.Canary(steps=(50, 25, 100)),
        error=InvalidInput,
        names=(50, 25, 100),
        says="steps must increase",
    ),
    Row(
        "steps that repeat",
        lambda: api.Canary(steps=(50, 50, 100)),
        error=InvalidInput,
        names=(50, 50, 100),
        says="steps must increase",
    ),
    Row(
        "steps that end early",
        lambda: api.Canary(steps=(5, 25)),
        error=InvalidInput,
        names=25,
        says="add 100",
    ),
    Row(
        "a header with a line break",
        lambda: api.Canary(smoke_header=("x-smoke", "1\r\nx-admin: 1")),
        error=InvalidInput,
        names="1\r\nx-admin: 1",
        says="a value without line breaks",
    ),
    Row(
        "a header name with a colon",
        lambda: api.BlueGreen(preview_header=("x:preview", "1")),
        error=InvalidInput,
        names="x:preview",
        says="use a token",
    ),
    Row(
        "an unknown capability",
        lambda: api.Capability("teleport"),
        error=InvalidInput,
        names="teleport",
        says="known are ['revisions', 'replicas', 'weights'",
    ),
]

RELEASES: list[Row[Callable[[], object]]] = [
    Row(
        "a release without a command",
        lambda: api.Release("2"),
        error=InvalidInput,
        names="2",
        says="give command=[...]",
    ),
    Row(
        "a command given as a string",
        lambda: release(command="serve --port {port}"),
        error=InvalidInput,
        names="serve --port {port}",
        says="must be a list of strings",
    ),
    Row(
        "a command with a NUL",
        lambda: release(command=["serve", "a\0b"]),
        error=InvalidInput,
        names="a\0b",
        says="must hold strings without NUL",
    ),
    Row(
        "a command with a number",
        lambda: release(command=["serve", 8080]),
        error=InvalidInput,
        names=8080,
        says="must hold strings",
    ),
    Row(
        "a command whose program is empty",
        lambda: release(command=["", "{port}"]),
        error=InvalidInput,
        names="2",
        says="names no program: the first of ('', '{port}') is empty",
    ),
    Row(
        "a version that is a number",
        lambda: release(version=1.0),
        error=InvalidInput,
        names=1.0,
        says="must be a text of 1 to 128 characters, such as '1.4.2'",
    ),
    Row(
        "a variable named with '='",
        lambda: release(env={"MODE=x": "1"}),
        error=InvalidInput,
        names="MODE=x",
        says="use letters, digits and '_'",
    ),
    Row(
        "a variable with a NUL",
        lambda: release(env={"MODE": "a\0"}),
        error=InvalidInput,
        names="MODE",
        says="must be a string or a SecretRef",
    ),
    Row(
        "variables as a list",
        lambda: release(env=["MODE=1"]),
        error=InvalidInput,
        names=["MODE=1"],
        says="must be a mapping, such as {'LOG_LEVEL': 'info'}",
    ),
    Row(
        "a config path that escapes",
        lambda: release(config={"../../etc/cron.d/x": ""}),
        error=InvalidInput,
        names="../../etc/cron.d/x",
        says="a relative path that stays in its folder",
    ),
    Row(
        "a config path that escapes in its middle",
        lambda: release(config={"a/../../x": ""}),
        error=InvalidInput,
        names="a/../../x",
        says="a relative path that stays in its folder",
    ),
    Row(
        "an absolute config path",
        lambda: release(config={"/etc/passwd": ""}),
        error=InvalidInput,
        names="/etc/passwd",
        says="a relative path that stays in its folder",
    ),
    Row(
        "a config path that is the folder",
        lambda: release(config={".": ""}),
        error=InvalidInput,
        names=".",
        says="a relative path that stays in its folder",
    ),
    Row(
        "a config path with a NUL",
        lambda: release(config={"a\0b": ""}),
        error=InvalidInput,
        names="a\0b",
        says="a relative path that stays in its folder",
    ),
    Row(
        "a config file within a config file",
        lambda: release(config={"app": "", "app/ini": ""}),
        error=InvalidInput,
        names="app",
        says="rename one",
    ),
    Row(
        "a relative working directory",
        lambda: release(workdir="srv/app"),
        error=InvalidInput,
        names="srv/app",
        says="must be an absolute path",
    ),
    Row(
        "a working directory with a NUL",
        lambda: release(workdir="/srv\0"),
        error=InvalidInput,
        names="/srv\0",
        says="must be an absolute path",
    ),
    Row(
        "a stop signal that cannot be caught",
        lambda: release(stop_signal="SIGKILL"),
        error=InvalidInput,
        names="SIGKILL",
        says="must be one of ['SIGTERM'",
    ),
    Row(
        "a negative grace",
        lambda: release(stop_grace_ms=-1),
        error=InvalidInput,
        names=-1,
        says="stop_grace_ms must be from 0",
    ),
    Row(
        "a probe where probes are wanted",
        lambda: release(probes=api.HTTPProbe("/health")),
        error=InvalidInput,
        names=model.HTTPProbe("/health"),
        says="must be Probes(readiness=...)",
    ),
    Row(
        "a path where a probe is wanted",
        lambda: api.Probes(readiness="/health"),
        error=InvalidInput,
        names="/health",
        says="such as HTTPProbe('/health')",
    ),
    Row(
        "a probe path with a line break",
        lambda: api.HTTPProbe("/a\r\nHost: b"),
        error=InvalidInput,
        names="/a\r\nHost: b",
        says="write '/health'",
    ),
    Row(
        "a probe host with a line break",
        lambda: api.HTTPProbe("/", host="a\r\nx-admin: 1"),
        error=InvalidInput,
        names="a\r\nx-admin: 1",
        says="must be a name such as 'shop.example'",
    ),
    Row(
        "a probe without a pause",
        lambda: api.HTTPProbe("/", interval_ms=0),
        error=InvalidInput,
        names=0,
        says="interval_ms must be at least 10",
    ),
    Row(
        "a secret file that moves with the program",
        lambda: api.SecretRef.file("keys/api"),
        error=InvalidInput,
        names="keys/api",
        says="must be an absolute path",
    ),
    Row(
        "a secret from an unknown source",
        lambda: api.SecretRef("vault", "api"),
        error=InvalidInput,
        names="vault",
        says="use SecretRef.env(...) or SecretRef.file(...)",
    ),
]

TARGETS: list[Row[Callable[[], object]]] = [
    Row(
        "an app name with a slash", lambda: target("a/b"), error=InvalidInput, names="a/b", says="use 1 to 63"
    ),
    Row("an app name that climbs", lambda: target(".."), error=InvalidInput, names="..", says="use 1 to 63"),
    Row("a very long app name", lambda: target(LONG), error=InvalidInput, names=LONG, says="use 1 to 63"),
    Row("an app name with a NUL", lambda: target("a\0"), error=InvalidInput, names="a\0", says="use 1 to 63"),
    Row(
        "no replicas",
        lambda: target(replicas=0),
        error=InvalidInput,
        names=0,
        says="replicas must be from 1 to 10000",
    ),
    Row(
        "an endpoint without a host",
        lambda: target(endpoint="8080"),
        error=InvalidInput,
        names="8080",
        says=HOST_AND_PORT,
    ),
    Row(
        "an endpoint that is a number",
        lambda: target(endpoint=8080),
        error=InvalidInput,
        names=8080,
        says=HOST_AND_PORT,
    ),
    Row(
        "an endpoint that is a URL",
        lambda: target(endpoint="http://127.0.0.1:8080"),
        error=InvalidInput,
        names="http://127.0.0.1:8080",
        says=HOST_AND_PORT,
    ),
    Row(
        "an endpoint with port 0",
        lambda: target(endpoint="127.0.0.1:0"),
        error=InvalidInput,
        names="127.0.0.1:0",
        says=HOST_AND_PORT,
    ),
    Row(
        "an endpoint with too high a port",
        lambda: target(endpoint="127.0.0.1:65536"),
        error=InvalidInput,
        names="127.0.0.1:65536",
        says=HOST_AND_PORT,
    ),
    Row(
        "an endpoint with a line break",
        lambda: target(endpoint="127.0.0.1\n:80"),
        error=InvalidInput,
        names="127.0.0.1\n:80",
        says=HOST_AND_PORT,
    ),
    Row(
        "plain HTTP beyond this machine",
        lambda: target(endpoint="0.0.0.0:8080"),
        error=InvalidInput,
        names="0.0.0.0:8080",
        says="give tls=TLS(certificate, key), or plaintext=True",
    ),
    Row(
        "plain HTTP beyond this machine by a text that means no",
        lambda: target(endpoint="0.0.0.0:8080", plaintext="no"),
        error=InvalidInput,
        names="no",
        says="plaintext must be True or False",
    ),
    Row(
        "a certificate alone",
        lambda: target(endpoint="0.0.0.0:443", tls="/etc/cert.pem"),
        error=InvalidInput,
        names="/etc/cert.pem",
        says="tls must be TLS(certificate, key)",
    ),
    Row(
        "a relative key",
        lambda: api.TLS("/etc/cert.pem", "key.pem"),
        error=InvalidInput,
        names="key.pem",
        says="must be an absolute path",
    ),
    Row(
        "a negative drain",
        lambda: target(drain_ms=-1),
        error=InvalidInput,
        names=-1,
        says="drain_ms must be at least 0",
    ),
]

STRATEGIES: list[Row[Callable[[], object]]] = [
    Row(
        "a negative bake",
        lambda: api.Canary(bake=timedelta(seconds=-1)),
        error=InvalidInput,
        names=timedelta(seconds=-1),
        says="bake must be a duration of at least 0 ms",
    ),
    Row(
        "a negative watch",
        lambda: api.BlueGreen(watch=-30),
        error=InvalidInput,
        names=-30,
        says="watch must be a duration of at least 0 ms",
    ),
    Row(
        "a negative deadline",
        lambda: api.Rolling(ready_deadline=-1),
        error=InvalidInput,
        names=-1,
        says="ready_deadline must be a duration of at least 1 ms",
    ),
    Row(
        "a negative warm time",
        lambda: api.Canary(keep_warm=-1),
        error=InvalidInput,
        names=-1,
        says="keep_warm must be a duration of at least 0 ms",
    ),
    Row(
        "a duration that is a text",
        lambda: api.Canary(bake="5m"),
        error=InvalidInput,
        names="5m",
        says="a timedelta or a number of seconds",
    ),
    Row(
        "a check of an unknown scope",
        lambda: api.HTTPCheck("/health", scope="galaxy"),
        error=InvalidInput,
        names="galaxy",
        says="scope must be one of ['revision', 'shared']",
    ),
    Row(
        "a check that is a URL",
        lambda: api.HTTPCheck("http://shop/health"),
        error=InvalidInput,
        names="http://shop/health",
        says="give a path such as '/health'",
    ),
    Row(
        "a check of one status",
        lambda: api.HTTPCheck("/health", status=200),
        error=InvalidInput,
        names=200,
        says="such as (200, 399)",
    ),
    Row(
        "a check command given as a string",
        lambda: api.CommandCheck("./smoke {address}"),
        error=InvalidInput,
        names="./smoke {address}",
        says="must be a list of strings",
    ),
    Row(
        "an error rate that is a text",
        lambda: api.ErrorRate(max_percent="1"),
        error=InvalidInput,
        names="1",
        says="max_percent must be from 0 to below 100",
    ),
    Row(
        "a job without a command",
        lambda: words.Job("migrate", command=[]),
        error=InvalidInput,
        names="migrate",
        says="has no command",
    ),
    Row(
        "a lease too short to be kept",
        lambda: api.Deployer(object(), lease=0.5),
        error=InvalidInput,
        names=0.5,
        says="lease must be a duration of at least 1000 ms",
    ),
]


@rows([*TRAFFIC, *RELEASES, *TARGETS, *STRATEGIES])
def test_a_value_that_cannot_be_right_is_refused(row: Row[Callable[[], object]]) -> None:
    """The error is of the promised type, shows the value, and says what would do."""
    with pytest.raises(row.error) as caught:
        row.attempt()

    row.holds(caught.value)


@rows([*TRAFFIC, *RELEASES, *TARGETS, *STRATEGIES])
def test_whoever_expects_a_value_error_gets_one(row: Row[Callable[[], object]]) -> None:
    """Programs that know nothing of our errors still catch them."""
    with pytest.raises(ValueError, match=r"."):
        row.attempt()
