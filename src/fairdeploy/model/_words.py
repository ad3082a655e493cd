"""How values read to people, in one place, so that plans and events speak alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model.check import (
    BoundCheck,
    Check,
    CommandCheck,
    ErrorComparison,
    ErrorRate,
    HTTPCheck,
    Latency,
    LatencyComparison,
    OIDCCheck,
    PostgresCheck,
    PrometheusCheck,
    Quorum,
    SampleRatio,
    StorageCheck,
    TCPCheck,
)
from fairdeploy.model.database_step import Backup, DatabaseStep, Freeze, Migrate, Restore, Thaw
from fairdeploy.model.delegate import Delegate
from fairdeploy.model.step import (
    MATCH_STABLE,
    Await,
    AwaitReady,
    Bake,
    Drain,
    Promote,
    Replicas,
    Retire,
    RunJob,
    Scale,
    Shift,
    Start,
    Step,
    Verify,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def duration(milliseconds: int) -> str:
    """Say a duration with at most two units: ``5 min``, ``1 h 30 min``, ``0 s``."""
    parts: list[str] = []
    rest = milliseconds
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def count(number: int, noun: str) -> str:
    """Say a number of things: ``1 instance``, ``2 instances``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def replicas(number: Replicas) -> str:
    """Say how many instances are wanted."""
    return "as many instances as stable" if number == MATCH_STABLE else count(number, "instance")


def clean(text: str) -> str:
    """Return text on one line, without characters that would command a terminal."""
    spaced = " ".join(text.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in spaced)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def window(value: Window) -> str:
    """Say when a weekly window is open: ``Mon-Fri 09:00-17:00 UTC``."""
    days = value.days
    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):
        names = f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    else:
        names = ", ".join(_DAYS[day] for day in days)
    return f"{names} {_clock(value.opens)}-{_clock(value.closes)} {value.zone}"


def check(value: Check) -> str:
    """Say what a check asks."""
    match value:
        case HTTPCheck(paths=paths, scope=scope):
            return f"GET {', '.join(paths)}" + (" (shared)" if scope == "shared" else "")
        case TCPCheck(address=address):
            return f"connect to {address or 'each instance'}"
        case CommandCheck(command=command):
            return f"run {' '.join(command)}"
        case BoundCheck(name=name):
            return f"check {name}"
        case ErrorRate(max_percent=percent, min_requests=requests):
            return f"errors at most {percent:g} % (of {requests} requests or more)"
        case Latency(max_ms=limit, percentile=percentile, min_requests=requests):
            return f"p{percentile:g} at most {limit} ms (of {requests} requests or more)"
        case ErrorComparison() | LatencyComparison() | SampleRatio():
            return _of_comparison(value)
        case _:
            return _of_service(value)


def _of_comparison(value: ErrorComparison | LatencyComparison | SampleRatio) -> str:
    match value:
        case ErrorComparison(tolerated=tolerated, alpha=alpha):
            return f"errors at most {tolerated:g} × stable's (α = {alpha:g} for the whole rollout)"
        case LatencyComparison(quantiles=quantiles, tolerated=tolerated, alpha=alpha):
            names = ", ".join(f"p{100 * quantile:g}" for quantile in quantiles)
            return f"slow answers at most {tolerated:g} × stable's at {names} (α = {alpha:g} for the whole rollout)"
        case SampleRatio(tolerated=tolerated, alpha=alpha):
            return f"requests split as told, within {tolerated:g} × (α = {alpha:g} for the whole rollout)"


def _of_service(value: PostgresCheck | OIDCCheck | StorageCheck | PrometheusCheck | Quorum) -> str:
    match value:
        case PostgresCheck(dsn=dsn, role=role):
            return f"ask PostgreSQL at {dsn.source} {dsn.key}" + (f" ({role})" if role else "")
        case OIDCCheck(issuer=issuer, client_id=client):
            return f"ask the provider {issuer}" + (f" for a token of {client}" if client else "")
        case StorageCheck(place=place, write=write):
            return f"write to {place}" if write else f"look at {place}"
        case PrometheusCheck(query=query, low=low, high=high):
            limits = [f"at least {low:g}"] if low is not None else []
            limits += [f"at most {high:g}"] if high is not None else []
            return f"{query} {' and '.join(limits)}"
        case Quorum(checks=checks, need=need):
            return f"{need} of {len(checks)} ({_checks(checks)})"


def _checks(values: Sequence[Check]) -> str:
    return "; ".join(check(value) for value in values) or "no checks given"


def _traffic(step: Shift) -> str:
    words = f"traffic {step.split}" if step.split else "no traffic"
    for header in step.headers:
        words += f", requests with {header.name}: {header.value} to {header.revision}"
    if step.mirror:
        words += f", copies of {step.mirror.basis_points / 100:g} % to {step.mirror.revision}"
    return words


def _drain(step: Drain) -> str:
    limits = f"(requests {duration(step.requests_ms)}, streams {duration(step.streams_ms)})"
    if step.keep is None:
        return f"let the requests of {step.revision} end {limits}"
    return f"take instances of {step.revision} out of service until {step.keep} left {limits}"


def _await(step: Await) -> str:
    what = "wait for an approval" if step.window is None else f"wait for the window {window(step.window)}"
    then = "go back" if step.then == "abort" else "go on"
    return f"{what}, at most {duration(step.timeout_ms)}, then {then}"


def _delegate(step: Delegate) -> str:
    size = "as many instances as there are" if step.replicas is None else count(step.replicas, "instance")
    bounds = f"at most {step.max_surge} more, {step.max_unavailable} missing"
    if step.shares:
        bounds = ", then ".join(_share(*each) for each in zip(step.shares, step.bakes_ms, strict=True))
    return f"let the platform roll out {step.revision} to {size} ({bounds})"


def _share(share: int, bake_ms: int) -> str:
    watched = f" for {duration(bake_ms)}" if bake_ms else ""
    return f"{share / 100:g} % of the traffic{watched}"


def step_words(step: Step) -> str:
    """Say what a step does."""
    match step:
        case Shift():
            return _traffic(step)
        case Bake():
            return f"watch for {duration(step.duration_ms)}"
        case Await():
            return _await(step)
        case Drain():
            return _drain(step)
        case Promote():
            return "promote " + ", ".join(f"{revision} in {target}" for target, revision in step.targets)
        case Delegate():
            return _delegate(step)
        case Backup() | Migrate() | Restore() | Freeze() | Thaw():
            return _of_database(step)
        case _:
            return _of_revision(step)


_PHASES = {
    "expand": "",
    "contract": " for good: nobody goes back to older revisions after it",
    "back": ", back",
}


def _of_database(step: DatabaseStep) -> str:
    match step:
        case Backup():
            known = (
                ""
                if step.restore_ms is None
                else f" (the last one took {duration(step.restore_ms)} to restore)"
            )
            return f"back up database {step.database} and prove it by restoring it{known}"
        case Migrate():
            since = f" from {step.since}" if step.since else ""
            return f"migrate database {step.database}{since} to {step.to or 'none'} ({step.change}){_PHASES[step.phase]}"
        case Restore():
            consent = {"": " if nothing is lost", "any": ", whatever is lost"}.get(step.accept, ", as agreed")
            source = f"snapshot {step.snapshot}" if step.snapshot else f"backup {step.backup}"
            return f"restore database {step.database} from {source}{consent}"
        case Freeze():
            return f"freeze database {step.database}: read only"
        case Thaw():
            return f"thaw database {step.database}"


def _of_revision(step: Start | Scale | AwaitReady | Verify | Retire | RunJob) -> str:
    match step:
        case Start():
            return f"start {step.revision} with {replicas(step.replicas)}"
        case Scale():
            return f"scale {step.revision} to {replicas(step.replicas)}"
        case AwaitReady():
            held = f" for {duration(step.min_ready_ms)}" if step.min_ready_ms else ""
            return f"wait until {step.revision} is ready{held}"
        case Verify():
            return f"check {step.revision} on its own addresses: {_checks(step.checks)}"
        case Retire():
            warm = f", kept warm for {duration(step.keep_warm_ms)}" if step.keep_warm_ms else ""
            return f"retire {step.revision}{warm}"
        case RunJob():
            return f"run job {step.job.name} beside {step.revision}"


def deadline_words(step: Step) -> str:
    """Say by when a step must have ended; empty for steps that are a time themselves."""
    match step:
        case Bake() | Await() | Drain():
            return ""
        case _:
            return f"within {duration(step.deadline_ms)}"
