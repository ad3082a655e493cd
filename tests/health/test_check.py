from __future__ import annotations

import os
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.streams.tls
import pytest
import trustme

from fairdeploy.health import run_check
from fairdeploy.model import CommandCheck, HTTPCheck, Instance, Target, TCPCheck, Verdict
from fairdeploy.protocols import Subject
from tests.health.serving import answer, served
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from anyio.abc import ByteStream, Listener, SocketStream

pytestmark = pytest.mark.anyio

ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "/bad": b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
    "/moved": b"HTTP/1.1 302 Found\r\nlocation: /bad\r\ncontent-length: 0\r\n\r\n",
    "/huge": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000 + b"needle",
    "/rubbish": b"what?\r\n\r\n",
}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run on both event loops."""
    return str(request.param)


async def _serve(stream: ByteStream) -> None:
    async with stream:
        with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, ssl.SSLError):
            path = (await stream.receive()).split(b" ")[1].decode()
            if path == "/slow":
                await anyio.sleep_forever()
            await stream.send(ANSWERS[path])


@asynccontextmanager
async def _server(uds: Path | None = None) -> AsyncIterator[str]:
    """Run an application on a free port or a socket; yield its address."""
    if uds is not None:
        listener: Listener[SocketStream] = await anyio.create_unix_listener(uds)
        address = f"unix:{uds}"
    else:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database
        address = f"127.0.0.1:{port}"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, _serve)
        yield address
        tasks.cancel_scope.cancel()


def _subject(*addresses: str | None) -> Subject:
    instances = tuple(
        Instance(f"i{number}", revision="r", address=address, ready=True)
        for number, address in enumerate(addresses)
    )
    return Subject(target=Target("shop"), revision="r", instances=instances)


# HTTP.


async def test_a_good_answer_passes(tmp_path: Path) -> None:
    """Every path of every instance answers, over TCP and over a unix socket."""
    async with _server() as tcp, _server(tmp_path / "s") as uds:
        result = await run_check(HTTPCheck("/ok", "/moved"), _subject(tcp, uds))

    assert (result.verdict, result.message) == (Verdict.PASS, "all 4 answers are good")


async def test_one_bad_instance_fails_the_revision() -> None:
    """The message names instance, path and status, and says what was expected."""
    async with _server() as address:
        result = await run_check(HTTPCheck("/ok", "/bad"), _subject(address))

    assert result.verdict is Verdict.FAIL
    assert result.message == "instance 'i0' at /bad answered 503, expected 200 to 399"
    assert result.evidence == [{"asked": "instance 'i0'", "message": result.message}]


async def test_redirects_are_answers_not_orders() -> None:
    """A redirect is judged by its own status, and not followed."""
    async with _server() as address:
        result = await run_check(HTTPCheck("/moved", status=(302, 302)), _subject(address))

    assert result.verdict is Verdict.PASS


async def test_the_body_can_be_asked_for() -> None:
    """A wanted text is looked for in the answer."""
    async with _server() as address:
        found = await run_check(HTTPCheck("/ok", contains="hell"), _subject(address))
        missing = await run_check(HTTPCheck("/ok", contains="heaven"), _subject(address))

    assert (found.verdict, missing.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "but not with 'heaven'" in missing.message


async def test_a_body_is_read_up_to_a_mebibyte() -> None:
    """An endless body does not fill the memory: what comes later is not found."""
    async with _server() as address:
        result = await run_check(HTTPCheck("/huge", contains="needle"), _subject(address))

    assert result.verdict is Verdict.FAIL


async def test_no_answer_in_time_fails() -> None:
    """A path that hangs is evidence against the revision."""
    async with _server() as address:
        result = await run_check(HTTPCheck("/slow", timeout_ms=50), _subject(address))

    assert (result.verdict, result.message) == (
        Verdict.FAIL,
        "instance 'i0' at /slow did not answer within 50 ms",
    )


async def test_a_refused_connection_fails(tmp_path: Path) -> None:
    """Nobody listening is evidence, on a port and on a socket; more failures are counted."""
    subject = _subject(f"127.0.0.1:{free_port()}", f"unix:{tmp_path / 'none'}")
    result = await run_check(HTTPCheck("/ok"), subject)

    assert result.verdict is Verdict.FAIL
    assert result.message.startswith("instance 'i0' at /ok did not answer: ")
    assert result.message.endswith("(and 1 more)")


async def test_rubbish_fails() -> None:
    """An answer that is not HTTP is a failure of the application."""
    async with _server() as address:
        result = await run_check(HTTPCheck("/rubbish"), _subject(address))

    assert result.verdict is Verdict.FAIL


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance is asked itself, whatever proxy the deploying program uses."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    async with _server() as address:
        result = await run_check(HTTPCheck("/ok"), _subject(address))

    assert result.verdict is Verdict.PASS


async def test_a_shared_url_is_asked_once() -> None:
    """Scope `shared` asks the URL, not the instances."""
    async with _server() as address:
        url = f"http://{address}/bad"
        result = await run_check(HTTPCheck(url, scope="shared"), Subject(target=Target("shop")))

    assert (result.verdict, result.message) == (Verdict.FAIL, f"{url} answered 503, expected 200 to 399")


async def test_a_name_that_does_not_resolve_is_an_error() -> None:
    """The question could not be put: that says nothing about whoever was to be asked."""
    check = HTTPCheck("http://nobody.invalid/", scope="shared")
    result = await run_check(check, Subject(target=Target("shop")))

    assert result.verdict is Verdict.ERROR


async def test_an_untrusted_certificate_is_an_error() -> None:
    """A certificate that this machine does not trust is a matter of the check, not of a revision."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- of a socket, not of a database

    async def handle(stream: ByteStream) -> None:
        with suppress(ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
            await anyio.streams.tls.TLSStream.wrap(stream, server_side=True, ssl_context=context)
        await anyio.aclose_forcefully(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        check = HTTPCheck(f"https://127.0.0.1:{port}/", scope="shared")
        result = await run_check(check, Subject(target=Target("shop")))
        assert result.verdict is Verdict.ERROR
        assert "certificate" in result.message.lower()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("address", ["127.0.0.1:99999999", "a b:80", "::::"])
async def test_an_impossible_address_is_an_error(address: str) -> None:
    """Whatever the library says to it, it is no evidence."""
    result = await run_check(HTTPCheck("/ok"), _subject(address))

    assert result.verdict is Verdict.ERROR


# TCP.


async def test_an_open_port_passes(tmp_path: Path) -> None:
    """A connection that is accepted is all that is asked for."""
    async with _server() as tcp, _server(tmp_path / "s") as uds:
        instances = await run_check(TCPCheck(), _subject(tcp, uds))
        shared = await run_check(TCPCheck(tcp, scope="shared"), Subject(target=Target("shop")))

    assert (instances.verdict, shared.verdict) == (Verdict.PASS, Verdict.PASS)


async def test_a_closed_port_fails(tmp_path: Path) -> None:
    """A refused connection names instance and address."""
    address = f"127.0.0.1:{free_port()}"
    tcp = await run_check(TCPCheck(), _subject(address))
    uds = await run_check(TCPCheck(), _subject(f"unix:{tmp_path / 'none'}"))

    assert (tcp.verdict, uds.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert f"instance 'i0' did not accept a connection on {address!r}" in tcp.message


@pytest.mark.parametrize("address", ["nobody.invalid:80", "127.0.0.1", "127.0.0.1:99999999", ":80"])
async def test_an_address_that_is_none_is_an_error(address: str) -> None:
    """What cannot be connected to at all is no evidence."""
    result = await run_check(TCPCheck(address, scope="shared"), Subject(target=Target("shop")))

    assert result.verdict is Verdict.ERROR


# Commands.


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code, "{address}"]


async def test_a_command_that_exits_with_0_passes() -> None:
    """The address is put in its place."""
    code = "import sys; sys.exit(sys.argv[1] != 'here:1')"
    result = await run_check(CommandCheck(_python(code)), _subject("here:1"))

    assert result.verdict is Verdict.PASS


async def test_a_command_that_fails_shows_its_last_words() -> None:
    """Exit status and the last lines, of stdout and stderr, are the evidence; a flood of them is bounded."""
    code = "import sys; print('x' * 1_000_000); print('sorry', file=sys.stderr); sys.exit(3)"
    result = await run_check(CommandCheck(_python(code)), _subject("here:1"))

    assert result.verdict is Verdict.FAIL
    assert result.message == f"instance 'i0': command {sys.executable!r} exited with 3"
    assert isinstance(result.evidence, list)
    assert isinstance(result.evidence[0], dict)
    assert "sorry" in str(result.evidence[0]["output"])
    assert len(str(result.evidence)) < 20_000


async def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    """Its whole process group is killed at the deadline, children included."""
    pids = tmp_path / "pids"
    command = [
        "sh",
        "-c",
        f"sleep 600 & echo $$ $! > {pids}; wait",
        "{address}",
    ]  # begins at once, busy or not
    result = await run_check(CommandCheck(command, timeout_ms=3_000), _subject("here:1"))

    assert result.verdict is Verdict.FAIL
    assert "took longer than 3000 ms" in result.message
    for pid in (await anyio.Path(pids).read_text()).split():
        await _gone(int(pid))


async def _gone(pid: int) -> None:
    with anyio.fail_after(60):
        while await _runs(pid):  # noqa: ASYNC110 -- the kernel sends no event for another's child
            await anyio.sleep(0.01)


async def _runs(pid: int) -> bool:
    """Whether a process is there, and not just waiting to be reaped by its new parent."""
    try:
        state = await anyio.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


async def test_a_command_may_leave_its_output_open() -> None:
    """A child that keeps the pipe open neither delays the verdict nor survives it."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\nsys.exit(1)\n"
    )
    result = await run_check(CommandCheck(_python(code)), _subject("here:1"))

    assert isinstance(result.evidence, list)
    assert isinstance(result.evidence[0], dict)
    assert isinstance(result.evidence[0]["output"], list)
    await _gone(int(str(result.evidence[0]["output"][0])))


async def test_a_cancelled_command_is_killed(tmp_path: Path) -> None:
    """Cancelling the check does not leave the command running."""
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    code = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_check, CommandCheck(_python(code)), _subject("here:1"))
        pid = int(await anyio.Path(pids).read_text())
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await _gone(pid)


async def test_a_missing_program_is_an_error() -> None:
    """A check that cannot be run says nothing about the revision."""
    check = CommandCheck(["/nowhere/smoke"], scope="shared")
    result = await run_check(check, Subject(target=Target("shop")))

    assert result.verdict is Verdict.ERROR
    assert "'/nowhere/smoke' cannot be run" in result.message


# Subjects.


@pytest.mark.parametrize("check", [HTTPCheck("/ok"), TCPCheck(), CommandCheck(["true", "{address}"])])
async def test_an_instance_without_an_address_is_an_error(check: HTTPCheck | TCPCheck | CommandCheck) -> None:
    """A worker has nothing to be asked at; the message names what can be asked of it."""
    result = await run_check(check, _subject(None))

    assert result.verdict is Verdict.ERROR
    assert "instance 'i0' has no address to ask: use a CommandCheck" in result.message


async def test_a_worker_can_be_asked_by_command() -> None:
    """A command without `{address}` needs none."""
    result = await run_check(CommandCheck(["true"]), _subject(None))

    assert result.verdict is Verdict.PASS


async def test_a_revision_without_instances_fails() -> None:
    """Nobody to ask is not a pass."""
    result = await run_check(TCPCheck(), _subject())

    assert (result.verdict, result.message) == (Verdict.FAIL, "revision 'r' has no instance to ask")


async def test_a_failure_weighs_more_than_an_error() -> None:
    """Evidence against one instance is not hidden by another that could not be asked."""
    result = await run_check(TCPCheck(), _subject(None, f"127.0.0.1:{free_port()}"))

    assert result.verdict is Verdict.FAIL


async def test_many_instances_are_asked_at_once() -> None:
    """Twenty of forty wait for each other: they would wait for ever if fewer were asked; all are named in the count."""
    there, met = 0, anyio.Event()

    async def together(stream: ByteStream) -> None:
        nonlocal there
        there += 1
        if there == 20:
            met.set()
        await met.wait()
        await stream.send(answer(503))

    async with served({"/slow": together}) as site:
        check = HTTPCheck("/slow", timeout_ms=60_000)
        result = await run_check(check, _subject(*[site.address] * 40))

    assert result.message == "instance 'i0' at /slow answered 503, expected 200 to 399 (and 39 more)"
    assert isinstance(result.evidence, list)
    assert len(result.evidence) == 20
