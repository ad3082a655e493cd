"""What a server may be, and what it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairdeploy.database.address import DatabaseAddress
from fairdeploy.errors import InvalidInput, StateError
from fairdeploy.model import SecretRef
from fairdeploy.provision.on_premise import (
    Admin,
    BackupSchedule,
    Migrations,
    Monitoring,
    OnPremise,
    ProvisionReport,
    Server,
    StepReport,
)
from fairdeploy.provision.on_premise.dashboard import monitoring_files
from fairdeploy.provision.on_premise.firewall import firewall_steps, ufw_lets_in
from fairdeploy.provision.on_premise.memory import recall, remember
from fairdeploy.provision.on_premise.nightly import main

HERE = Path("/srv/compose.yaml")


def test_values_that_cannot_be_right_are_refused() -> None:
    """Each error names the value and what was expected."""
    database = DatabaseAddress("postgresql://owner@localhost/shop")
    with pytest.raises(InvalidInput, match="files must be the compose files"):
        Server((), folder=HERE)
    with pytest.raises(InvalidInput, match="'db' must be service:port"):
        Server((HERE,), folder=HERE, database="db")
    with pytest.raises(InvalidInput, match="firewall port must be from 1 to 65535, not 0"):
        Server((HERE,), folder=HERE, ports=(0,))
    with pytest.raises(InvalidInput, match="volume 'a b' is not a name"):
        Server((HERE,), folder=HERE, volumes=("a b",))
    with pytest.raises(InvalidInput, match="migrations command must be a list of strings, not 'migrate'"):
        Migrations("app", "migrate")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(InvalidInput, match="admin command is empty"):
        Admin("app", (), variable="PASSWORD", password=SecretRef.env("X"))
    with pytest.raises(InvalidInput, match="'A B' is no name of a variable"):
        Admin("app", ("make",), variable="A B", password=SecretRef.env("X"))
    with pytest.raises(InvalidInput, match="monitoring port"):
        Monitoring(grafana_port=70_000)
    with pytest.raises(InvalidInput, match="backup hour must be from 0 to 23"):
        BackupSchedule(database=database, folder=HERE, hour=24)
    with pytest.raises(InvalidInput, match="backups kept must be at least 1"):
        BackupSchedule(database=database, folder=HERE, keep=0)


@pytest.mark.anyio
async def test_a_compose_file_that_is_not_there_is_told_before_anything_moves(tmp_path: Path) -> None:
    """Neither plan nor apply begins without one."""
    premise = OnPremise(Server((tmp_path / "nope.yaml",), folder=tmp_path))
    for call in (premise.plan, premise.apply, premise.remove):
        with pytest.raises(InvalidInput, match=r"nope\.yaml' cannot be read"):
            await call()


def test_the_dashboard_belongs_to_its_data_source() -> None:
    """Grafana finds Prometheus by the name that the dashboard uses; both are on loopback unless asked."""
    files = monitoring_files(Monitoring(scrape={"app": ("10.0.0.1:8000",)}), "shop")
    source = json.loads(files["grafana/provisioning/datasources/prometheus.yml"])["datasources"][0]
    dashboard = json.loads(files["grafana/dashboards/fairdeploy.json"])
    compose = json.loads(files["compose.yaml"])

    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    assert compose["services"]["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    assert compose["services"]["grafana"]["ports"] == ["127.0.0.1:3000:3000"]
    assert json.loads(files["prometheus.yml"])["scrape_configs"][1]["job_name"] == "app"
    assert (
        "grafana"
        not in json.loads(monitoring_files(Monitoring(grafana_image=None), "shop")["compose.yaml"])[
            "services"
        ]
    )


def test_what_was_done_once_is_remembered(tmp_path: Path) -> None:
    """In one private file, which is named if it cannot be read."""
    remember(tmp_path, "admin", "made")
    remember(tmp_path, "migrations", "x")
    assert recall(tmp_path) == {"admin": "made", "migrations": "x"}
    path = tmp_path / "on-premise.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    with pytest.raises(StateError, match="restore it, or remove it"):
        recall(tmp_path)


def test_the_nightly_program_says_why_there_is_no_backup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With status 1, for cron's mail."""
    assert main([]) == 1
    assert main([str(tmp_path / "nope.json")]) == 1
    assert "holds no settings of backups (FileNotFoundError)" in capsys.readouterr().err


def test_a_report_can_be_filed() -> None:
    """As text, in rich and in a notebook."""
    steps = (
        StepReport("docker", outcome="unchanged", says="it answers"),
        StepReport("<tls>", outcome="warning", says="none", remedy="get one"),
    )
    report = ProvisionReport("shop", what="apply", steps=steps)

    assert report.ok
    assert str(report).startswith("Server of 'shop', apply of 2 steps: 1 unchanged, 1 warning")
    assert "&lt;tls&gt;" in report._repr_html_()
    assert report.__rich__() is not None


FIREWALLS = {
    "firewall-cmd": """#!/bin/sh
for word; do case $word in
  --query-port=*) grep -qxF -- "$*" "$0.open" 2>/dev/null; exit;;
  --query-service=*) exit 1;;
  --add-port=*) echo "$*" | sed s/add/query/ >>"$0.open";;
esac; done
""",
    "ufw": """#!/bin/sh
case $1 in
  status) echo "Status: active"; cat "$0.open" 2>/dev/null;;
  prepend) echo "$3   ALLOW   Anywhere" >>"$0.open";;
esac
exit 0
""",
}
"""What the programs of two firewalls do when they are asked, as far as we ask them."""


@pytest.mark.anyio
@pytest.mark.parametrize("program", FIREWALLS)
async def test_a_port_is_opened_and_found_open(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed, opened, open: for firewalld now and after a restart, for ufw by a rule."""
    script = tmp_path / program
    script.write_text(FIREWALLS[program])
    script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (step,) = firewall_steps(Server((HERE,), folder=tmp_path, ports=(443,)))
    assert step.consent
    assert step.act is not None
    assert not (await step.look()).done
    await step.act()
    assert (await step.look()).done


UFW = """\
Status: active

To                         Action      From
--                         ------      ----
443/tcp                    ALLOW       Anywhere                   # test
8443/tcp                   ALLOW       10.0.0.1
5432                       DENY        Anywhere
5432/tcp                   ALLOW       Anywhere
22                         LIMIT       Anywhere
80/tcp (v6)                ALLOW       Anywhere (v6)
"""
"""As ufw 0.36.2 prints it."""


@pytest.mark.parametrize(
    ("port", "is_open"), [(443, True), (8443, False), (5432, False), (22, True), (80, False), (43, False)]
)
def test_what_ufw_lists_is_read_as_it_is_meant(port: int, *, is_open: bool) -> None:
    """The first rule for everybody decides; one for an address, for IPv6 alone, or for another port does not open it."""
    assert ufw_lets_in(UFW, port) is is_open
