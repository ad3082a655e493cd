"""The stack of a service: its template by cfn-lint, its life on an emulator of CloudFormation."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from fairdeploy.aws import AWS
from fairdeploy.errors import InvalidInput, StalePlan, StartError
from fairdeploy.provision.aws import AWSConfig, AWSDeployment, Stack, template
from tests.aws.worlds import REGION

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.aws

CERTIFICATE = "arn:aws:acm:{}:123456789012:certificate/11111111-2222-3333-4444-555555555555"


def config(region: str = REGION, **more: Any) -> AWSConfig:  # noqa: ANN401 -- any field of the config
    """Return a config with what has no default."""
    given = {"cluster_name": "shop", "certificate_arn": CERTIFICATE.format(region), "image": "app:1", **more}
    return AWSConfig.read({"region": region, **given})


@pytest.mark.parametrize(
    "wanted",
    [
        config(),
        config("eu-central-1", compliance=("GDPR", "HIPAA"), log_days=2_192),
        config(network="10.7.0.0/20", scaling=(1, 5), instance_count=1, cpu=1_024, memory=4_096),
    ],
    ids=["plain", "regulated", "small"],
)
def test_the_template_is_clean(wanted: AWSConfig, tmp_path: Path) -> None:
    """cfn-lint finds nothing in it, not even a warning."""
    from cfnlint import ManualArgs, lint  # type: ignore[import-untyped]  # noqa: PLC0415 -- has no types; takes seconds to load

    found = lint(
        json.dumps(template(wanted)), regions=[wanted.region], config=ManualArgs(regions=[wanted.region])
    )
    assert [f"{each.rule.id} {each.message}" for each in found] == []


def test_the_same_config_makes_the_same_template() -> None:
    """It is a pure function: what was looked at is what is carried out."""
    assert json.dumps(template(config())) == json.dumps(template(config()))


def test_the_database_is_what_was_asked_for() -> None:
    """Over two zones, encrypted, not public, 30 days of backups, its password kept by RDS, and it outlives its stack."""
    made = template(config())["Resources"]["Database"]
    wanted = {
        "Engine": "postgres",
        "MultiAZ": True,
        "StorageEncrypted": True,
        "PubliclyAccessible": False,
        "BackupRetentionPeriod": 30,
        "ManageMasterUserPassword": True,
        "DeletionProtection": True,
    }
    assert wanted.items() <= made["Properties"].items()
    assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_scaling_is_what_was_asked_for() -> None:
    """From 2 to 20 tasks, at 70 % of CPU and 80 % of memory."""
    parts = template(config())["Resources"]
    bounds = parts["Scaling"]["Properties"]
    targets = [
        parts[name]["Properties"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        for name in ("ScaleByCpu", "ScaleByMemory")
    ]
    assert (bounds["MinCapacity"], bounds["MaxCapacity"], targets) == (2, 20, [70, 80])


def test_only_the_load_balancer_is_open_to_the_world() -> None:
    """Tasks take requests from it only, the database from tasks only, and no policy names every resource but one that must."""
    parts = template(config())["Resources"]
    opened = {
        name: [rule.get("CidrIp") for rule in part["Properties"]["SecurityGroupIngress"]]
        for name, part in parts.items()
        if part["Type"] == "AWS::EC2::SecurityGroup"
    }
    assert opened == {"BalancerGroup": ["0.0.0.0/0"] * 2, "TaskGroup": [None], "DatabaseGroup": [None]}
    statements = parts["StartRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert [each["Action"] for each in statements if each["Resource"] == "*"] == [
        ["ecr:GetAuthorizationToken"]
    ]


def test_hipaa_is_under_a_key_of_its_own() -> None:
    """Database and logs are encrypted by a key that rotates, flows are logged, and only current TLS is spoken."""
    parts = template(config(compliance=("HIPAA",), log_days=2_192))["Resources"]
    assert parts["Key"]["Properties"]["EnableKeyRotation"]
    assert {"KmsKeyId"} <= set(parts["Database"]["Properties"]) & set(parts["Logs"]["Properties"])
    assert "FlowLogs" in parts
    assert "TLS13-1-2" in parts["Listener"]["Properties"]["SslPolicy"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"network": "10.0.0.0/8"}, "/16 to /24"),
        ({"network": "no"}, "no CIDR"),
        ({"network": "8.8.0.0/16"}, "private"),
        ({"db_instance_type": "large"}, "db.t4g.medium"),
        ({"db_storage_gb": 5}, "db_storage_gb"),
        ({"instance_count": 50}, "instance_count"),
        ({"memory": 100}, "Fargate"),
        ({"certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/a"}, "certificate_arn"),
        ({"compliance": ("PCI",)}, "PCI"),
        ({"compliance": ("GDPR",)}, "not in the EU"),
        ({"compliance": ("HIPAA",)}, "six years"),
        ({"cluster_name": "a b"}, "cluster_name"),
        ({"clustername": "x"}, "does not know 'clustername'"),
    ],
)
def test_what_cannot_be_is_refused_before_aws_is_asked(more: dict[str, Any], words: str) -> None:  # any field
    """The message names the value and what to do."""
    with pytest.raises(InvalidInput, match=words):
        config(**more)


def small(name: str, days: int = 7) -> dict[str, Any]:  # any JSON
    """Return a template that the emulator carries out wholly."""
    log = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/{name}", "RetentionInDays": days}}
    kept = {
        "Type": "AWS::SecretsManager::Secret",
        "DeletionPolicy": "Retain",
        "Properties": {"Name": f"{name}-kept"},
    }
    return {"Resources": {"Logs": log, "Kept": kept}, "Outputs": {"Logs": {"Value": {"Ref": "Logs"}}}}


@pytest.mark.anyio
async def test_a_stack_is_planned_made_changed_and_removed(ecs_url: str) -> None:
    """A plan changes nothing; one that has passed is refused; nothing to do is no error; what is retained stays."""
    name = f"s{secrets.token_hex(3)}"
    async with AWS.open(REGION, endpoint=ecs_url) as aws:
        stack = Stack(aws, name, tags={"team": "shop"}, poll=0.02)
        first = await stack.plan(small(name))
        assert {str(each) for each in first.changes} == {
            "add Logs AWS::Logs::LogGroup",
            "add Kept AWS::SecretsManager::Secret",
        }
        assert not (await aws.call("logs", "describe_log_groups", logGroupNamePrefix=f"/{name}"))["logGroups"]
        assert await stack.execute(first) == {"Logs": f"/{name}"}
        assert not (await stack.plan(small(name))).changes
        second = await stack.plan(small(name, days=30))
        assert [str(each) for each in second.changes] == ["modify Logs AWS::Logs::LogGroup"]
        await stack.execute(second)
        with pytest.raises(StalePlan):
            await stack.execute(second)
        await aws.call("logs", "put_retention_policy", logGroupName=f"/{name}", retentionInDays=1)
        (drifted,) = await stack.drift()
        assert (drifted.logical, drifted.status) == ("Logs", "MODIFIED")
        for _ in range(2):
            await stack.remove()
        assert await stack.state() is None
        kept = (await aws.call("secretsmanager", "list_secrets"))["SecretList"]
        assert f"{name}-kept" in [each["Name"] for each in kept]


@pytest.mark.anyio
async def test_what_fails_is_rolled_back_and_says_why(ecs_url: str) -> None:
    """The last words name the resource."""
    name = f"s{secrets.token_hex(3)}"
    broken = small(name)
    broken["Resources"]["Twice"] = {
        "Type": "AWS::RDS::DBInstance",
        "Properties": {"Engine": "postgres", "DBInstanceClass": {"Fn::GetAtt": ["Logs", "NoSuch"]}},
    }
    async with AWS.open(REGION, endpoint=ecs_url) as aws:
        stack = Stack(aws, name, poll=0.02)
        with pytest.raises(StartError) as failed:
            await stack.execute(await stack.plan(broken))
        assert any("Twice" in each for each in failed.value.last_words) or "Twice" in str(failed.value)


@pytest.mark.anyio
async def test_scaling_is_set_up_for_a_service_that_is_there(moto_url: str) -> None:
    """Two policies, by CPU and memory; again they are the same two."""
    async with AWSDeployment.open(REGION, endpoint=moto_url) as deployment:
        async with AWS.open(REGION, endpoint=moto_url) as aws:
            await aws.call("ecs", "create_cluster", clusterName="shop")
            container = {"name": "app", "image": "app:1", "memory": 128}
            await aws.call("ecs", "register_task_definition", family="shop", containerDefinitions=[container])
            await aws.call("ecs", "create_service", cluster="shop", serviceName="shop", taskDefinition="shop")
        for _ in range(2):
            made = await deployment.setup_auto_scaling("shop")
            assert [arn.rpartition("/")[2] for arn in made] == ["shop-cpu", "shop-memory"]
        with pytest.raises(InvalidInput, match="min"):
            await deployment.setup_auto_scaling("shop", min_capacity=5, max_capacity=2)


def test_a_config_of_another_region_is_refused(moto_url: str) -> None:
    """It would be made where nobody looks."""

    async def run() -> None:
        async with AWSDeployment.open(REGION, endpoint=moto_url) as deployment:
            await deployment.plan(config("eu-central-1"))

    with pytest.raises(InvalidInput, match="eu-central-1"):
        anyio.run(run)
