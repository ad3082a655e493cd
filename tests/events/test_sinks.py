from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

import pytest

from fairdeploy.errors import InvalidInput, NotificationError
from fairdeploy.events import AppriseSink, LogSink, WebhookSink
from fairdeploy.events.addresses import allowed
from fairdeploy.events.webhook import signature
from fairdeploy.model import SecretRef
from fairdeploy.testing.conformance import EventSinkConformance, Receiver
from tests.events.receiving import House, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fairdeploy.protocols import EventSink

SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw=="
LOOPBACK = ["127.0.0.0/8"]


@pytest.fixture
def house() -> Iterator[House]:
    """Give a receiver."""
    with receiving() as one:
        yield one


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> SecretRef:
    """Give where the shared secret is."""
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    return SecretRef.env("HOOK_SECRET")


class _Logged:
    """Reads the log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def arrived(self) -> list[str]:
        return [record.getMessage() for record in self._caplog.records if record.name == "fairdeploy.events"]

    def down(self) -> object:
        raise AssertionError


class TestWebhook(EventSinkConformance):
    """A webhook keeps the contract of a sink."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """Run on both event loops."""
        return str(request.param)

    @pytest.fixture
    def receiver(self, house: House) -> Receiver:
        """Give who receives."""
        return house

    @pytest.fixture
    def sink(self, house: House, secret: SecretRef) -> EventSink:
        """Give the sink."""
        return WebhookSink(house.url, secret, allow=LOOPBACK, plaintext=True)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestApprise(EventSinkConformance):
    """Apprise keeps the contract of a sink, here with its own JSON service."""

    anyio_backend: ClassVar[str] = "asyncio"

    @pytest.fixture
    def receiver(self, house: House) -> Receiver:
        """Give who receives."""
        return house

    @pytest.fixture
    def sink(self, house: House, monkeypatch: pytest.MonkeyPatch) -> EventSink:
        """Give the sink."""
        monkeypatch.setenv("CHAT_URL", f"json://127.0.0.1:{house.port}/hooks")
        return AppriseSink([SecretRef.env("CHAT_URL")])


class TestLog(EventSinkConformance):
    """The log keeps the contract of a sink."""

    goes_down: ClassVar[bool] = False
    anyio_backend: ClassVar[str] = "asyncio"

    @pytest.fixture
    def receiver(self, caplog: pytest.LogCaptureFixture) -> Receiver:
        """Give who receives."""
        caplog.set_level(logging.INFO, "fairdeploy.events")
        return _Logged(caplog)  # type: ignore[return-value]  # it is never down

    @pytest.fixture
    def sink(self) -> EventSink:
        """Give the sink."""
        return LogSink()


NEWS = EventSinkConformance.notice(7, "critical")


@pytest.mark.anyio
async def test_the_receiver_can_check_who_sent_it(house: House, secret: SecretRef) -> None:
    """By the signature over id, time and body; the secret itself is nowhere."""
    await WebhookSink(house.url, secret, allow=LOOPBACK, plaintext=True).deliver(NEWS)
    ((headers, body),) = house.got
    assert headers["webhook-id"] == NEWS.id
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(SECRET, NEWS.id, stamp, body)
    assert headers["webhook-signature"] != signature(SECRET, NEWS.id, stamp + 1, body)
    assert headers["host"] == f"127.0.0.1:{house.port}"
    assert SECRET not in str(headers) + body.decode()


def test_the_signature_is_the_one_of_the_standard() -> None:
    """As the specification of Standard Webhooks gives it for its example."""
    body = b'{"test": 2432232314}'
    found = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "10.1.2.3"]
)
async def test_no_private_address_is_connected_to(house: House, secret: SecretRef, host: str) -> None:
    """Neither by number nor by a name that leads there; it is not tried again."""
    sink = WebhookSink(f"http://{host}:{house.port}/hooks", secret, plaintext=True)
    with pytest.raises(NotificationError, match="no public address") as found:
        await sink.deliver(NEWS)
    assert not found.value.retryable
    assert house.got == []


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:a00:1::", False),
        ("::ffff:169.254.169.254", False),
        ("::", False),
    ],
)
def test_only_public_addresses_are_allowed(address: str, *, may: bool) -> None:
    """Whatever they look like."""
    assert allowed(address, ()) is may


@pytest.mark.anyio
async def test_a_redirect_is_not_followed(house: House, secret: SecretRef) -> None:
    """Nor tried again."""
    house.status, house.headers = 302, {"location": house.url}
    with pytest.raises(NotificationError, match="redirect") as found:
        await WebhookSink(house.url, secret, allow=LOOPBACK, plaintext=True).deliver(NEWS)
    assert not found.value.retryable
    assert house.got == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (500, True), (503, True), (400, False), (410, False)]
)
async def test_what_is_worth_trying_again_is_said(
    house: House, secret: SecretRef, status: int, *, again: bool
) -> None:
    """With the time that the receiver asks for."""
    house.status, house.headers = status, {"retry-after": "7"}
    with pytest.raises(NotificationError) as found:
        await WebhookSink(house.url, secret, allow=LOOPBACK, plaintext=True).deliver(NEWS)
    assert (found.value.retryable, found.value.retry_after) == (again, 7.0)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https://",
        "https://user:pw@example.org/",
        "https://a/#b",
        "",
    ],
)
def test_a_url_that_cannot_be_one_is_refused(url: str) -> None:
    """The message shows no password."""
    with pytest.raises(InvalidInput) as found:
        WebhookSink(url, SecretRef.env("HOOK_SECRET"))
    assert "pw" not in str(found.value)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.anyio
async def test_an_url_that_apprise_does_not_know_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not shown."""
    monkeypatch.setenv("CHAT_URL", "nonsense-token-123")
    with pytest.raises(NotificationError) as found:
        await AppriseSink([SecretRef.env("CHAT_URL")]).deliver(NEWS)
    assert not found.value.retryable
    assert "token-123" not in str(found.value)
