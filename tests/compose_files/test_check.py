"""Each service of a compose file is judged, with reason and remedy."""

from __future__ import annotations

import pytest

from fairdeploy.compose import (
    Build,
    ComposeFile,
    Dependency,
    Healthcheck,
    Mount,
    Place,
    Port,
    Rolling,
    Service,
    ServiceReport,
    Startup,
    check_compose,
    read_compose,
)
from fairdeploy.errors import InvalidInput
from fairdeploy.model import Severity
from tests.compose_files.conftest import FILES

HEALTHY = Healthcheck(test=("CMD", "ask"))


def judged(service: Service, *others: Service, stateful: tuple[str, ...] = ()) -> ServiceReport:
    """Judge one service among others."""
    services = {each.name: each for each in (service, *others)}
    file = ComposeFile(
        "shop",
        files=("/srv/compose.yaml",),
        folder="/srv",
        services=services,
        places={"services.app.ports": Place("/srv/compose.yaml", 7)},
    )
    return check_compose(file, stateful=stateful).service(service.name)


def app(**changes: object) -> Service:
    """Return a service that nothing can be said against, with changes."""
    whole: dict[str, object] = {
        "image": "app:1",
        "expose": ("8000",),
        "healthcheck": HEALTHY,
        "restart": "always",
        "command": ("gunicorn", "shop"),
        **changes,
    }
    return Service("app", **whole)  # type: ignore[arg-type]  # each case names a field of its own


def test_a_service_made_for_it_can_roll() -> None:
    """A probe, no fixed place on the host, no data, its own process 1."""
    report = judged(app())

    assert (report.rolling, report.role, report.remarks) == (Rolling.READY, "web", ())


BAD: dict[str, tuple[Service, Rolling]] = {
    "container-name": (app(container_name="shop"), Rolling.BLOCKED),
    "host-port": (app(ports=(Port(target=8000, published="80"),)), Rolling.CARE),
    "several-ports": (
        app(ports=(Port(target=8000, published="80"), Port(target=8443, published="443"))),
        Rolling.CARE,
    ),
    "udp-port": (app(ports=(Port(target=53, published="53", protocol="udp"),)), Rolling.BLOCKED),
    "network-mode": (app(network_mode="host"), Rolling.BLOCKED),
    "writable-volume": (app(mounts=(Mount(kind="volume", source="data", target="/data"),)), Rolling.STATEFUL),
    "anonymous-volume": (app(mounts=(Mount(kind="volume", target="/cache"),)), Rolling.CARE),
    "source-mounted": (
        app(build=Build(context="/srv"), mounts=(Mount(kind="bind", source="/srv", target="/code"),)),
        Rolling.BLOCKED,
    ),
    "no-probe": (app(healthcheck=None), Rolling.CARE),
    "shell-form": (app(command=("sh", "-c", "prepare && serve")), Rolling.CARE),
    "package-manager": (app(command=("npm", "start")), Rolling.CARE),
    "stop-signal": (app(stop_signal="SIGKILL"), Rolling.BLOCKED),
    "short-grace": (app(stop_grace_ms=500), Rolling.CARE),
    "migrates-at-boot": (
        app(command=("sh", "-c", "python manage.py migrate && exec gunicorn x")),
        Rolling.CARE,
    ),
    "dev-server": (app(command=("flask", "run", "--host", "0.0.0.0")), Rolling.CARE),
    "local-sessions": (app(environment={"SESSION_DRIVER": "file"}), Rolling.CARE),
    "volumes-from": (app(volumes_from=("db",)), Rolling.CARE),
    "global": (app(deploy_mode="global"), Rolling.CARE),
    "devices": (app(devices=True), Rolling.CARE),
    "floating-tag": (app(image="app"), Rolling.READY),
    "no-restart": (app(restart=None), Rolling.READY),
}


@pytest.mark.parametrize("rule", BAD)
def test_what_stands_in_the_way_is_named(rule: str) -> None:
    """One fault is found by its own rule, and says what to do."""
    service, rolling = BAD[rule]
    report = judged(service)

    assert report.rolling is rolling
    assert rule in report.rules
    assert all(remark.message and remark.remedy for remark in report.remarks)


def test_fine_things_are_left_alone() -> None:
    """Sockets of the host, memory, read-only data, a script that hands over: nothing to say."""
    quiet = app(
        mounts=(
            Mount(kind="bind", source="/var/run/docker.sock", target="/var/run/docker.sock"),
            Mount(kind="bind", source="/etc/app", target="/etc/app", read_only=True),
            Mount(kind="tmpfs", target="/run"),
        ),
        command=("sh", "-c", "prepare; exec gunicorn shop"),
    )
    assert judged(quiet).remarks == ()


def test_a_one_shot_is_a_job() -> None:
    """What others wait for the end of, or only migrates, is run once."""
    needs = (Dependency(service="app", condition="service_completed_successfully"),)
    for report in (
        judged(app(restart="no"), Service("web", image="x", depends_on=needs)),
        judged(app(restart=None, command=("alembic", "-c", "x.ini", "upgrade", "head"))),
    ):
        assert (report.role, report.rolling) == ("one-shot", Rolling.JOB)


@pytest.mark.parametrize(
    "image",
    [
        "postgres:18",
        "docker.io/library/mariadb",
        "mcr.microsoft.com/mssql/server",
        "redis:alpine",
        "minio/minio",
    ],
)
def test_stores_are_not_rolled(image: str) -> None:
    """Databases, queues and stores stay where they are, with a volume or without."""
    report = judged(app(image=image, command=None))

    assert (report.role, report.rolling) == ("stateful", Rolling.STATEFUL)
    assert "data-in-container" in report.rules


def test_a_stateful_service_can_be_opted_in() -> None:
    """Then its data are a warning, not a refusal."""
    report = judged(app(mounts=(Mount(kind="volume", source="data", target="/data"),)), stateful=("app",))

    assert report.rolling is Rolling.CARE
    assert [(r.rule, r.severity) for r in report.remarks] == [("writable-volume", Severity.WARNING)]


def test_the_dockerfile_counts() -> None:
    """A shell form, a missing probe and volumes are found there too; the compose file has the last word."""
    startup = Startup(
        entrypoint=("/bin/sh", "-c", "serve"), entrypoint_shell=True, healthcheck=True, volumes=("/var/x",)
    )
    build = Build(context="/srv/app", startup=startup)
    assert judged(app(command=None, build=build, healthcheck=None)).rules == (
        "anonymous-volume",
        "shell-form",
    )
    assert judged(app(entrypoint=("serve",), build=build)).rules == ("anonymous-volume",)


def test_who_calls_it_by_name_is_told() -> None:
    """In-project callers reach new containers before the router does."""
    report = judged(
        app(), Service("proxy", image="nginx:1", depends_on=(Dependency(service="app", restart=True),))
    )

    assert report.rules == ("called-by-name", "restarts-others")


def test_remarks_point_at_the_line() -> None:
    """Where the file is known, so is the place."""
    (remark,) = judged(app(ports=(Port(target=8000, published="80"),))).remarks

    assert remark.place == Place("/srv/compose.yaml", 7)
    assert str(remark).startswith(
        "warning: host-port: port 80 of the host can belong to one container only (/srv/compose.yaml, line 7): give"
    )


def test_bad_arguments_are_refused() -> None:
    """A name that is not there, and a text where names are meant."""
    file = ComposeFile("shop", files=("compose.yaml",), folder="/", services={"app": app()})
    with pytest.raises(InvalidInput, match=r"'nope' is not in .*choose from \['app'\]"):
        check_compose(file, stateful=["nope"])
    with pytest.raises(InvalidInput, match="a collection of service names, not 'app'"):
        check_compose(file, stateful="app")
    with pytest.raises(InvalidInput, match="'nope' was not judged"):
        check_compose(file).service("nope")


def test_the_report_shows_itself_everywhere() -> None:
    """As text, in rich, in a notebook; names that are markup are none there; values are in none."""
    service = Service("<b>", image="x:1", environment={"SESSION_DRIVER": "file", "TOKEN": "made-up-value"})
    report = check_compose(
        ComposeFile("shop", files=("c.yaml",), folder="/", services={"<b>": service}, unset=("X",))
    )
    text, html = str(report), report._repr_html_()

    assert text.splitlines()[0] == "Compose project 'shop', 1 service: 1 with care"
    assert "not set, and read as nothing: X" in text
    assert "&lt;b&gt;" in html
    assert report.__rich__() is not None
    assert "made-up-value" not in text + html + repr(report)


@pytest.mark.anyio
@pytest.mark.docker
@pytest.mark.usefixtures("compose")
async def test_every_real_file_is_explained() -> None:
    """Each service of the corpus gets a verdict, and each remark a remedy."""
    verdicts: dict[str, dict[str, tuple[Rolling, tuple[str, ...]]]] = {}
    for path in FILES:
        if path.parent.name != "plex":
            report = check_compose(await read_compose(path))
            verdicts[path.parent.name] = {
                each.service: (each.rolling, each.rules) for each in report.services
            }
            assert all(remark.remedy for each in report.services for remark in each.remarks)

    assert len(verdicts) == 39 - 1 + 3
    assert verdicts["wordpress-mysql"]["db"][0] is Rolling.STATEFUL
    assert "local-sessions" in verdicts["wordpress-mysql"]["wordpress"][1]
    assert "source-mounted" in verdicts["flask-redis"]["web"][1]
    assert verdicts["workflow"]["init"][0] is Rolling.JOB
    assert verdicts["workflow"]["worker"][0] is Rolling.READY
    assert "dev-server" in verdicts["research"]["app"][1]
    assert "container-name" in verdicts["research"]["gateway"][1]
