"""A server: planned, brought up, taken down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from fairdeploy.compose import read_compose
from fairdeploy.errors import FairdeployError, InvalidInput
from fairdeploy.provision.on_premise._run import run
from fairdeploy.provision.on_premise.backups import backup_steps, unschedule
from fairdeploy.provision.on_premise.containers import Project, container_steps
from fairdeploy.provision.on_premise.firewall import firewall_steps
from fairdeploy.provision.on_premise.machine import machine_steps
from fairdeploy.provision.on_premise.monitoring import monitoring_steps, stop_monitoring
from fairdeploy.provision.on_premise.report import ProvisionReport, StepReport

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fairdeploy.compose import ComposeFile
    from fairdeploy.provision.on_premise.step import Seen, Step
    from fairdeploy.provision.on_premise.wanted import Server

__all__ = ["OnPremise"]

_DOWN_S: Final = 300.0


@final
class OnPremise:
    """Brings one server up, step by step; each step is looked at before it is done, and after.

    Whatever is as it should be is left as it is, so that it can be run again at any time: after a crash it goes on
    where it was. What only a person can do (installing Docker, a certificate) is said with the exact commands.

    Args:
        server: What is wanted.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def plan(self) -> ProvisionReport:
        """Say what would be done. Changes nothing.

        Raises:
            InvalidInput: If the compose file cannot be used, or lacks a service that is named.
        """
        file = await self._read()
        reports = []
        for step in self._steps(file):
            try:
                seen = await step.look()
            except FairdeployError as exc:
                reports.append(StepReport(step.name, outcome="failed", says=str(exc)))
                continue
            reports.append(_planned(step, seen))
        return ProvisionReport(file.name, what="plan", steps=tuple(reports))

    async def apply(self, consent: Collection[str] = ()) -> ProvisionReport:
        """Do what is left to do, in order. After a required step that fails nothing further is reached.

        Args:
            consent: Names of steps that need it, such as ``"firewall:443"`` and ``"backup:schedule"``.

        Raises:
            InvalidInput: If the compose file cannot be used, or consent names no step that needs it.
        """
        file = await self._read()
        steps = self._steps(file)
        _agreed(steps, consent)
        reports: list[StepReport] = []
        stopped = False
        for step in steps:
            if stopped:
                reports.append(StepReport(step.name, outcome="not reached", says="a step before it failed"))
                continue
            report = await _applied(step, consent)
            reports.append(report)
            stopped = step.required and report.outcome in {"failed", "warning"}
        return ProvisionReport(file.name, what="apply", steps=tuple(reports))

    async def remove(self, *, data: bool = False) -> ProvisionReport:
        """Take containers, monitoring and schedule away. Ports of the firewall stay as they are.

        Args:
            data: Whether volumes with data go too. Backups and files on disk stay in any case.
        """
        file = await self._read()
        project = Project(file, self._server.folder)
        reports = []
        if self._server.backup and await unschedule(self._server.backup, file.name):
            reports.append(StepReport("backup:schedule", outcome="changed", says="no more backups are made"))
        if self._server.monitoring:
            there = await stop_monitoring(self._server.folder / "monitoring", data=data)
            reports.append(_removed("monitoring:containers", there=there))
        there = bool(await project.containers())
        down = [*project.argv, "--profile", "*", "down", *(["--volumes"] if data else [])]
        (await run(down, deadline=_DOWN_S)).must("docker compose down")
        reports.append(_removed("containers", there=there))
        reports += [await _volume(name, data=data) for name in self._server.volumes]
        return ProvisionReport(file.name, what="remove", steps=tuple(reports))

    async def _read(self) -> ComposeFile:
        file = await read_compose(self._server.files)
        named = [each.service for each in (self._server.migrations, self._server.admin) if each]
        if self._server.database:
            named.append(self._server.database.rpartition(":")[0])
        for service in named:
            file.service(service)
        return file

    def _steps(self, file: ComposeFile) -> Sequence[Step]:
        server = self._server
        steps = [*machine_steps(server), *firewall_steps(server)]
        steps += container_steps(server, Project(file, server.folder))
        if server.monitoring:
            steps += monitoring_steps(server.monitoring, file.name, server.folder / "monitoring")
        if server.backup:
            steps += backup_steps(server.backup, file.name)
        return steps


def _agreed(steps: Sequence[Step], consent: Collection[str]) -> None:
    asked = sorted(step.name for step in steps if step.consent)
    if isinstance(consent, str):
        raise InvalidInput(f"consent must be a collection of names of steps, not {consent!r}")
    for name in consent:
        if name not in asked:
            raise InvalidInput(f"consent to {name!r} means nothing here: it can be given to {asked!r}")


def _planned(step: Step, seen: Seen) -> StepReport:
    if seen.done:
        return StepReport(step.name, outcome="unchanged", says=seen.says)
    if step.act is None:
        outcome = "failed" if step.required else "warning"
        return StepReport(
            step.name,
            outcome="failed" if outcome == "failed" else "warning",
            says=seen.says,
            remedy=seen.remedy,
        )
    if step.consent:
        remedy = seen.remedy or f"agree by consent={{{step.name!r}}}"
        return StepReport(step.name, outcome="needs consent", says=seen.says, remedy=remedy)
    return StepReport(step.name, outcome="would change", says=seen.says)


async def _applied(step: Step, consent: Collection[str]) -> StepReport:
    """Look, act, and look again: what was not brought about is told, whatever acting said."""
    failed = "failed" if step.required else "warning"
    try:
        seen = await step.look()
        if seen.done or step.act is None or (step.consent and step.name not in consent):
            return _planned(step, seen)
        await step.act()
        after = await step.look()
    except FairdeployError as exc:
        return StepReport(
            step.name,
            outcome="failed" if failed == "failed" else "warning",
            says=str(exc),
            remedy="mend it, and apply again",
        )
    if after.done:
        return StepReport(step.name, outcome="changed", says=after.says)
    remedy = after.remedy or "look at it, and apply again"
    return StepReport(
        step.name, outcome="failed" if failed == "failed" else "warning", says=after.says, remedy=remedy
    )


def _removed(name: str, *, there: bool) -> StepReport:
    return StepReport(
        name, outcome="changed" if there else "unchanged", says="removed" if there else "was not there"
    )


async def _volume(name: str, *, data: bool) -> StepReport:
    there = (await run(["docker", "volume", "inspect", name])).status == 0
    if there and data:
        (await run(["docker", "volume", "rm", name])).must("docker volume rm")
        return StepReport(f"volume:{name}", outcome="changed", says="removed with its data")
    says = "kept, with its data" if there else "was not there"
    return StepReport(f"volume:{name}", outcome="unchanged", says=says)
