"""The database: PostgreSQL over two zones, encrypted, not public, backed up for 30 days, its password kept by RDS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.provision.aws._parts import at, name, ref, resource

if TYPE_CHECKING:
    from fairdeploy.provision.aws._parts import Part
    from fairdeploy.provision.aws.config import AWSConfig

__all__ = ["database"]

_BACKUP_DAYS = 30


def database(config: AWSConfig) -> dict[str, Part]:
    """Return the database. It outlives its stack: removing that keeps it, and its key."""
    strict = "HIPAA" in config.compliance
    more: Part = {"KmsKeyId": at("Key", "Arn")} if strict else {}
    if strict:
        more |= {"EnablePerformanceInsights": True, "PerformanceInsightsKMSKeyId": at("Key", "Arn")}
    return {
        "DatabaseSubnets": resource(
            "RDS::DBSubnetGroup",
            keep="Retain",
            DBSubnetGroupDescription=f"{config.cluster_name} database",
            SubnetIds=[ref("Private0"), ref("Private1")],
        ),
        "DatabaseParameters": resource(
            "RDS::DBParameterGroup",
            keep="Retain",
            Family=f"postgres{config.db_version.partition('.')[0]}",
            Description=f"{config.cluster_name}: connections by TLS only",
            Parameters={"rds.force_ssl": "1"},
        ),
        "Database": resource(
            "RDS::DBInstance",
            keep="Retain",
            Engine="postgres",
            EngineVersion=config.db_version,
            DBInstanceClass=config.db_instance_type,
            DBName="app",
            AllocatedStorage=str(config.db_storage_gb),
            MaxAllocatedStorage=min(config.db_storage_gb * 2, 65_536),
            StorageType="gp3",
            StorageEncrypted=True,
            MultiAZ=True,
            PubliclyAccessible=False,
            BackupRetentionPeriod=_BACKUP_DAYS,
            CopyTagsToSnapshot=True,
            DeletionProtection=True,
            AutoMinorVersionUpgrade=True,
            EnableCloudwatchLogsExports=["postgresql", "upgrade"],
            MasterUsername="fairdeploy",
            ManageMasterUserPassword=True,
            DBSubnetGroupName=ref("DatabaseSubnets"),
            DBParameterGroupName=ref("DatabaseParameters"),
            VPCSecurityGroups=[at("DatabaseGroup", "GroupId")],
            Tags=name(config, "database"),
            **more,
        ),
    }
