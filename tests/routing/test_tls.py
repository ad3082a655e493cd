"""TLS at the endpoint, and what happens when a certificate is renewed."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import anyio
import anyio.streams.tls
import httpx
import pytest
import trustme

from fairdeploy.errors import RouterError
from fairdeploy.model import TLS, Routes, Split, Target
from tests.routing.conftest import FENCE, pool
from tests.routing.test_envoy import eventually, serve, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fairdeploy.routing.envoy import EnvoyRouter
    from tests.routing.application import Application
    from tests.routing.keeper import TaskKeeper

pytestmark = [pytest.mark.anyio, pytest.mark.local]


def renew(folder: Path, authority: trustme.CA) -> TLS:
    """Put a new certificate and its key in place, each by a rename."""
    issued = authority.issue_cert("127.0.0.1")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    for name, content in (("cert.pem", chain), ("key.pem", issued.private_key_pem.bytes())):
        (folder / f".{name}").write_bytes(content)
        (folder / f".{name}").replace(folder / name)
    return TLS(str(folder / "cert.pem"), str(folder / "key.pem"))


async def presented(target: Target, trust: ssl.SSLContext) -> bytes:
    """Return the certificate that a new connection is shown."""
    host, port = target.address
    stream = await anyio.connect_tcp(host, port, tls=True, ssl_context=trust, tls_standard_compatible=False)
    async with stream:
        shown: bytes = stream.extra_attributes[anyio.streams.tls.TLSAttribute.peer_certificate_binary]()
    assert shown
    return shown


@pytest.fixture
def authority() -> trustme.CA:
    """Sign certificates."""
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """Trust what the authority signs."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_a_renewed_certificate_is_shown_and_no_request_is_lost(
    *,
    router: EnvoyRouter,
    old: Application,
    free_port: Callable[[], int],
    tmp_path: Path,
    authority: trustme.CA,
    trust: ssl.SSLContext,
) -> None:
    """Three renewals by rename are taken up without telling the router, while requests go on."""
    tls = renew(tmp_path, authority)
    target = Target("shop", endpoint=f"127.0.0.1:{free_port()}", tls=tls)
    seen = await serve(router, target, Routes((pool(old),), split=Split.all_to("old")))
    statuses: list[int] = []
    done = anyio.Event()

    async def ask(*, keep: bool) -> None:
        headers = {} if keep else {"connection": "close"}
        async with httpx.AsyncClient(verify=trust, trust_env=False, timeout=60) as client:
            while not done.is_set():
                statuses.append(
                    (await client.get(f"https://{target.endpoint}/", headers=headers)).status_code
                )

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ask(keep=True))
        group.start_soon(lambda: ask(keep=False))
        for _ in range(3):
            before = await presented(target, trust)
            renew(tmp_path, authority)

            async def renewed(old: bytes = before) -> bool:
                return await presented(target, trust) != old

            await eventually(renewed)
        done.set()

    assert set(statuses) == {200}
    await until(router, target, lambda now: now == seen)


async def test_a_certificate_that_cannot_be_used_is_refused(
    *,
    router: EnvoyRouter,
    old: Application,
    free_port: Callable[[], int],
    tmp_path: Path,
    authority: trustme.CA,
    keeper: TaskKeeper,
) -> None:
    """A key that belongs to another certificate is named, and no Envoy is started."""
    renew(tmp_path, authority)
    (tmp_path / "key.pem").write_bytes(authority.issue_cert("other").private_key_pem.bytes())
    tls = TLS(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    target = Target("shop", endpoint=f"127.0.0.1:{free_port()}", tls=tls)

    with pytest.raises(RouterError, match=r"cert.pem' with key .* cannot be used"):
        await router.apply(target, Routes((pool(old),), split=Split.all_to("old")), FENCE)

    assert await keeper.states() == {}
