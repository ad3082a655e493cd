"""Snapshots by RDS: its records are moto's; what an instance holds is kept by the wire between, as moto holds no rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, final

import pytest

from fairdeploy.aws import AWS
from fairdeploy.database.rds import RDSSnapshots
from fairdeploy.errors import InvalidInput
from fairdeploy.testing.conformance import SnapshotProviderConformance
from tests.aws.wire import Wire, wire
from tests.aws.worlds import REGION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fairdeploy.protocols import SnapshotProvider
    from fairdeploy.testing.conformance import SnapshotRows
    from tests.aws.wire import Said

pytestmark = [pytest.mark.aws, pytest.mark.anyio]


@final
@dataclass(slots=True, kw_only=True)
class Rows:
    """What instances and snapshots hold."""

    database: str
    between: Wire
    held: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Follow what RDS is asked to do."""
        self.held[self.database] = frozenset()
        self.between.before |= {
            "rds:CreateDBSnapshot": self._snapshot,
            "rds:RestoreDBInstanceFromDBSnapshot": self._restore,
            "rds:ModifyDBInstance": self._rename,
        }

    async def _snapshot(self, said: Said) -> None:
        self.held[said["DBSnapshotIdentifier"]] = self.held[said["DBInstanceIdentifier"]]

    async def _restore(self, said: Said) -> None:
        self.held[said["DBInstanceIdentifier"]] = self.held.get(said["DBSnapshotIdentifier"], frozenset())

    async def _rename(self, said: Said) -> None:
        self.held[said["NewDBInstanceIdentifier"]] = self.held.pop(said["DBInstanceIdentifier"])

    async def write(self, row: str) -> None:
        """See `SnapshotRows.write`."""
        self.held[self.database] |= {row}

    async def rows(self, at: str | None = None) -> frozenset[str]:
        """See `SnapshotRows.rows`."""
        name = at or self.database
        return self.held[name.rpartition("@")[2].partition(".")[0]]


@pytest.fixture
async def rows(moto_url: str) -> AsyncIterator[SnapshotRows]:
    """Make an instance as `AWSDeployment` does."""
    async with wire(moto_url) as between, AWS.open(REGION, endpoint=between.url) as aws:
        name = f"shop{id(between)}"
        await aws.call(
            "rds",
            "create_db_instance",
            DBInstanceIdentifier=name,
            Engine="postgres",
            DBInstanceClass="db.t4g.medium",
            AllocatedStorage=20,
            MasterUsername="shop",
            MasterUserPassword="not-a-secret",
            DBName="shop",
            BackupRetentionPeriod=30,
        )
        yield Rows(database=name, between=between)


@pytest.fixture
async def provider(rows: Rows) -> AsyncIterator[SnapshotProvider]:
    """Give what is tried, and remove what it made."""
    async with AWS.open(REGION, endpoint=rows.between.url) as aws:
        made = RDSSnapshots(aws, rows.database, deadline=60.0, poll=0.01)
        yield made
        await made.remove("conformance_beside")


@pytest.mark.aws
class TestRDS(SnapshotProviderConformance):
    """By RDS."""


async def test_a_moment_is_restored_beside(provider: RDSSnapshots, rows: Rows) -> None:
    """By point-in-time recovery, with the network and size of what is in use; a moment without a zone is none."""
    with pytest.raises(InvalidInput, match="time zone"):
        provider.moment(datetime(2026, 1, 1))  # noqa: DTZ001 -- what is to be refused
    place = await provider.restore(provider.moment(datetime.now(UTC)), "of_a_moment")
    assert place.startswith("postgresql://shop@of-a-moment.")
    asked = [said for name, said in rows.between.said if name == "rds:RestoreDBInstanceToPointInTime"]
    assert [each["DBInstanceClass"] for each in asked] == ["db.t4g.medium"]
    await provider.remove("of_a_moment")
