"""Ask a bucket whether it keeps what is written to it. The only module of this room that imports aioboto3."""

from __future__ import annotations

import asyncio
import secrets as chance
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

import aioboto3  # type: ignore[import-untyped]  # what is used of it is written below
import anyio
from botocore.config import Config  # type: ignore[import-untyped]  # as above
from botocore.exceptions import (  # type: ignore[import-untyped]  # as above
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from fairdeploy.health._asyncio import on_asyncio
from fairdeploy.health.finding import Finding, failed, passed, unclear

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fairdeploy.health.secrets import Secrets
    from fairdeploy.model import StorageCheck

__all__ = ["ask_bucket", "warm"]

_SESSION = aioboto3.Session()
_CLOSE_SECONDS = 2.0
_GONE = {"NoSuchBucket", "404"}
_OUR_FAULT = {400, 401, 403}


class _Body(Protocol):
    async def read(self) -> bytes: ...


class _Bucket(Protocol):
    """What is used of aioboto3's client, which has no types of its own."""

    async def head_bucket(self, *, Bucket: str) -> object: ...  # noqa: N803 -- as S3 names it
    async def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> object: ...  # noqa: N803 -- as above
    async def get_object(self, *, Bucket: str, Key: str) -> dict[str, _Body]: ...  # noqa: N803 -- as above
    async def delete_object(self, *, Bucket: str, Key: str) -> object: ...  # noqa: N803 -- as above


async def ask_bucket(check: StorageCheck, secrets: Secrets) -> Finding:
    """Look at a bucket, and write to it."""
    asked = f"bucket {check.place!r}"
    if not on_asyncio():
        return unclear(asked, f"{asked} can be asked on asyncio only, as aioboto3 runs nowhere else")
    try:
        with anyio.fail_after(check.timeout_ms / 1000):
            return await _looked(check, secrets, asked)
    except (TimeoutError, ConnectTimeoutError, ReadTimeoutError):
        return failed(asked, f"{asked} did not answer within {check.timeout_ms} ms")
    except ClientError as error:
        return _refused(error, asked)
    except EndpointConnectionError as error:
        return failed(asked, f"{asked} did not accept a connection: {type(error).__name__}")
    except (BotoCoreError, OSError, ValueError) as error:
        return unclear(asked, f"{asked} cannot be asked: {type(error).__name__}")


async def _looked(check: StorageCheck, secrets: Secrets, asked: str) -> Finding:
    parts = urlsplit(check.place)
    stack = AsyncExitStack()
    try:
        client = await stack.enter_async_context(_client(check, secrets))
        if not check.write:
            await client.head_bucket(Bucket=parts.netloc)
            return passed(asked, f"{asked} is there")
        return await _written(client, parts.netloc, parts.path.strip("/"), asked)
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await stack.aclose()


async def _written(client: _Bucket, bucket: str, prefix: str, asked: str) -> Finding:
    name, content = f".fairdeploy-{chance.token_hex(8)}", chance.token_bytes(64)
    key = f"{prefix}/{name}" if prefix else name
    try:
        await client.put_object(Bucket=bucket, Key=key, Body=content)
        read = await (await client.get_object(Bucket=bucket, Key=key))["Body"].read()
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await client.delete_object(Bucket=bucket, Key=key)
    if read != content:
        return failed(asked, f"{asked} gives back something else than was written")
    return passed(asked, f"{asked} keeps what is written")


def _client(check: StorageCheck, secrets: Secrets) -> AbstractAsyncContextManager[_Bucket]:
    seconds = check.timeout_ms / 1000
    config = Config(
        connect_timeout=seconds,
        read_timeout=seconds,
        # One try: who asks decides how many failures count.
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path" if check.endpoint else "auto"},
    )
    client = _SESSION.client(
        "s3",
        aws_access_key_id=None if check.key is None else secrets[check.key],
        aws_secret_access_key=None if check.secret is None else secrets[check.secret],
        region_name=check.region,
        endpoint_url=check.endpoint,
        config=config,
        verify=check.verify,
    )
    return cast("AbstractAsyncContextManager[_Bucket]", client)


def warm() -> None:
    """Make a client, which connects to nobody: the first takes some 200 ms to read what S3 is, later ones 20 ms."""

    async def make() -> None:
        client = _SESSION.client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id="-",
            aws_secret_access_key="-",  # noqa: S106 -- of nobody, so that none is looked for
        )
        async with cast("AbstractAsyncContextManager[_Bucket]", client):
            pass

    asyncio.run(make())


def _refused(error: ClientError, asked: str) -> Finding:
    code = str(error.response.get("Error", {}).get("Code", ""))[:80]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _GONE:
        return failed(asked, f"{asked} is not there")
    if status in _OUR_FAULT:
        return unclear(asked, f"{asked} does not let us in ({code}): look at key, secret and region")
    return failed(asked, f"{asked} answered {status} ({code})")
