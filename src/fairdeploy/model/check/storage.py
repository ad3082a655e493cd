"""A check that asks a folder or a bucket how it is."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import Literal, final

from fairdeploy.errors import InvalidInput
from fairdeploy.model import _check
from fairdeploy.model._tagged import STRICT
from fairdeploy.model.check import _http_parts
from fairdeploy.model.check.scope import Scope
from fairdeploy.model.secret import SecretRef

__all__ = ["StorageCheck"]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s\0]*)?")
_ALL = 100.0


@final
@dataclass(frozen=True, slots=True)
class StorageCheck:
    """A folder has room; what is written to it, or to a bucket, can be read and deleted again.

    Args:
        place: Absolute path of a folder, or ``s3://bucket/prefix``, which needs the extra ``s3``
            and, as aioboto3 does, asyncio.
        write: Whether a small object of a random name is written, read and deleted. Without it
            place is only looked at. Default yes.
        min_free_bytes: Room that a folder must have left for this user. Default 0.
        min_free_percent: The same, as a share of the file system, 0 to 100. Default 5.
        endpoint: URL of a store that is not Amazon's; ``None``: Amazon's.
        region: Of the bucket. Default ``us-east-1``.
        key: Access key id; ``None``: as boto3 finds it.
        secret: Secret access key; ``None``: as boto3 finds it.
        verify: As in `HTTPCheck`; by default with botocore's list.
        timeout_ms: For everything together. Default 10 s.

    Raises:
        InvalidInput: If the place is none, or a value does not go with it.
    """

    __pydantic_config__ = STRICT

    place: str
    _: KW_ONLY
    write: bool = True
    min_free_bytes: int = 0
    min_free_percent: float = 5.0
    endpoint: str | None = None
    region: str = "us-east-1"
    key: SecretRef | None = None
    secret: SecretRef | None = None
    verify: bool | str = True
    timeout_ms: int = 10_000
    kind: Literal["storage"] = "storage"

    def __post_init__(self) -> None:
        """Prove that the values go with the place."""
        _check.flag(self.write, "write")
        _check.whole(self.min_free_bytes, "min_free_bytes", low=0)
        percent = self.min_free_percent
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= _ALL:
            raise InvalidInput(f"min_free_percent must be from 0 to 100, not {percent!r}")
        object.__setattr__(self, "min_free_percent", float(percent))
        _http_parts.secret(self.key, "key")
        _http_parts.secret(self.secret, "secret")
        _http_parts.trust(self.verify)
        _check.whole(self.timeout_ms, "timeout_ms", low=10)
        if self.in_bucket:
            self._prove_bucket()
            return
        _check.absolute(self.place, "place")
        if self.endpoint is not None or self.key is not None or self.secret is not None:
            raise InvalidInput(f"endpoint, key and secret go with 's3://bucket', not with {self.place!r}")

    def _prove_bucket(self) -> None:
        if not _BUCKET.fullmatch(self.place):
            raise InvalidInput(
                f"place {self.place!r} is no bucket: give 's3://bucket' or 's3://bucket/prefix'"
            )
        if (self.key is None) != (self.secret is None):
            raise InvalidInput(
                "key and secret go together: give both, or neither to have boto3 look for them"
            )
        if self.endpoint is not None:
            _http_parts.url(self.endpoint, "endpoint", "http://127.0.0.1:9000")

    @property
    def in_bucket(self) -> bool:
        """Whether the place is a bucket and no folder."""
        return isinstance(self.place, str) and self.place.startswith("s3://")

    @property
    def scope(self) -> Scope:
        """Always about what all revisions use."""
        return "shared"
