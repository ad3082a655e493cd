"""The service: load balancer with two target groups, cluster, first task definition, auto scaling, logs, roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.provision.aws._parts import at, ref, resource

if TYPE_CHECKING:
    from fairdeploy.provision.aws._parts import Part
    from fairdeploy.provision.aws.config import AWSConfig

__all__ = ["balancer", "logs", "roles", "scaling", "service"]

_TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.2 and 1.3 only (Elastic Load Balancing, "Security policies")."""
_DRAIN_SECONDS = 30


def logs(config: AWSConfig) -> dict[str, Part]:
    """Return where the application writes; with HIPAA, under a key of the account's own, which rotates."""
    if "HIPAA" not in config.compliance:
        return {"Logs": resource("Logs::LogGroup", keep="Retain", RetentionInDays=config.log_days)}
    account = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    writer = {"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": writer},
            "Action": [
                "kms:Encrypt*",
                "kms:Decrypt*",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:Describe*",
            ],
            "Resource": "*",
        },
    ]
    return {
        "Key": resource(
            "KMS::Key",
            keep="Retain",
            Description=f"{config.cluster_name}: data at rest",
            EnableKeyRotation=True,
            KeyPolicy={"Version": "2012-10-17", "Statement": statements},
        ),
        "Logs": resource(
            "Logs::LogGroup", keep="Retain", RetentionInDays=config.log_days, KmsKeyId=at("Key", "Arn")
        ),
        "FlowLogs": resource(
            "EC2::FlowLog",
            ResourceId=ref("Vpc"),
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=ref("Logs"),
            DeliverLogsPermissionArn=at("FlowRole", "Arn"),
        ),
        "FlowRole": _role(
            "vpc-flow-logs.amazonaws.com",
            _may(
                "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams", on=at("Logs", "Arn")
            ),
        ),
    }


def roles() -> dict[str, Part]:
    """Return what starts tasks (this image, this log, this secret), and what tasks themselves may: nothing yet."""
    secret = _may("secretsmanager:GetSecretValue", on=at("Database", "MasterUserSecret.SecretArn"))
    write = _may("logs:CreateLogStream", "logs:PutLogEvents", on=at("Logs", "Arn"))
    enter = _may("ecr:GetAuthorizationToken", on="*")  # takes no resource (IAM, "Actions for Amazon ECR")
    pull = _may(
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:BatchCheckLayerAvailability",
        on={"Fn::Sub": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*"},
    )
    return {
        "StartRole": _role("ecs-tasks.amazonaws.com", secret, write, enter, pull),
        "TaskRole": _role("ecs-tasks.amazonaws.com"),
    }


def _may(*actions: str, on: object) -> Part:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def _role(who: str, *statements: Part) -> Part:
    mine = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    assume = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": who}, "Action": "sts:AssumeRole", "Condition": mine}
        ],
    }
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    policies = [{"PolicyName": "needs", "PolicyDocument": document}] if statements else []
    return resource("IAM::Role", AssumeRolePolicyDocument=assume, Policies=policies)


def balancer(config: AWSConfig) -> dict[str, Part]:
    """Return the load balancer: HTTPS to two target groups, 100 to 0, as the router takes them over; HTTP is sent on."""

    def group() -> Part:
        return resource(
            "ElasticLoadBalancingV2::TargetGroup",
            VpcId=ref("Vpc"),
            TargetType="ip",
            Protocol="HTTP",
            Port=config.port,
            HealthCheckPath=config.health_path,
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=3,
            Matcher={"HttpCode": "200-399"},
            TargetGroupAttributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": str(_DRAIN_SECONDS)},
            ],
        )

    groups = [
        {"TargetGroupArn": ref(colour), "Weight": weight} for colour, weight in (("Blue", 1), ("Green", 0))
    ]
    onward = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    return {
        "Balancer": resource(
            "ElasticLoadBalancingV2::LoadBalancer",
            after="GatewayAttachment",
            Scheme="internet-facing",
            Subnets=[ref("Public0"), ref("Public1")],
            SecurityGroups=[at("BalancerGroup", "GroupId")],
            LoadBalancerAttributes=[
                {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"},
            ],
        ),
        "Blue": group(),
        "Green": group(),
        "Listener": resource(
            "ElasticLoadBalancingV2::Listener",
            LoadBalancerArn=ref("Balancer"),
            Protocol="HTTPS",
            Port=443,
            SslPolicy=_TLS,
            Certificates=[{"CertificateArn": config.certificate_arn}],
            DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        ),
        "Redirect": resource(
            "ElasticLoadBalancingV2::Listener",
            LoadBalancerArn=ref("Balancer"),
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "redirect", "RedirectConfig": onward}],
        ),
    }


def service(config: AWSConfig) -> dict[str, Part]:
    """Return the cluster and the service that `ECSBackend` adopts."""
    log = {
        "awslogs-group": ref("Logs"),
        "awslogs-region": ref("AWS::Region"),
        "awslogs-stream-prefix": "app",
    }
    container = {
        "Name": "app",
        "Image": config.image,
        "Essential": True,
        "PortMappings": [{"ContainerPort": config.port}],
        "Environment": [{"Name": "DATABASE_HOST", "Value": at("Database", "Endpoint.Address")}],
        "Secrets": [{"Name": "DATABASE_SECRET", "ValueFrom": at("Database", "MasterUserSecret.SecretArn")}],
        "StopTimeout": _DRAIN_SECONDS,
        "LogConfiguration": {"LogDriver": "awslogs", "Options": log},
    }
    network = {
        "Subnets": [ref("Private0"), ref("Private1")],
        "SecurityGroups": [at("TaskGroup", "GroupId")],
        "AssignPublicIp": "DISABLED",
    }
    return {
        "Cluster": resource(
            "ECS::Cluster",
            ClusterName=config.cluster_name,
            ClusterSettings=[{"Name": "containerInsights", "Value": "enabled"}],
        ),
        "Tasks": resource(
            "ECS::TaskDefinition",
            Family=config.cluster_name,
            NetworkMode="awsvpc",
            RequiresCompatibilities=["FARGATE"],
            Cpu=str(config.cpu),
            Memory=str(config.memory),
            ExecutionRoleArn=at("StartRole", "Arn"),
            TaskRoleArn=at("TaskRole", "Arn"),
            ContainerDefinitions=[container],
        ),
        "Service": resource(
            "ECS::Service",
            after="Listener",
            Cluster=ref("Cluster"),
            ServiceName=config.cluster_name,
            TaskDefinition=ref("Tasks"),
            LaunchType="FARGATE",
            DesiredCount=config.instance_count,
            DeploymentController={"Type": "ECS"},
            DeploymentConfiguration={
                "MaximumPercent": 200,
                "MinimumHealthyPercent": 100,
                "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
            },
            HealthCheckGracePeriodSeconds=60,
            LoadBalancers=[
                {"ContainerName": "app", "ContainerPort": config.port, "TargetGroupArn": ref("Blue")}
            ],
            NetworkConfiguration={"AwsvpcConfiguration": network},
            PropagateTags="SERVICE",
        ),
    }


def scaling(config: AWSConfig) -> dict[str, Part]:
    """Return auto scaling by CPU and by memory."""
    least, most = config.scaling
    common: Part = {
        "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": {"Fn::Sub": "service/${Cluster}/${Service.Name}"},
    }

    def policy(what: str, metric: str, value: int) -> Part:
        tracking = {"PredefinedMetricSpecification": {"PredefinedMetricType": metric}, "TargetValue": value}
        return resource(
            "ApplicationAutoScaling::ScalingPolicy",
            after="Scaling",
            PolicyName=f"{config.cluster_name}-{what}",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=tracking,
            **common,
        )

    return {
        "Scaling": resource(
            "ApplicationAutoScaling::ScalableTarget", MinCapacity=least, MaxCapacity=most, **common
        ),
        "ScaleByCpu": policy("cpu", "ECSServiceAverageCPUUtilization", config.target_cpu),
        "ScaleByMemory": policy("memory", "ECSServiceAverageMemoryUtilization", config.target_memory),
    }
