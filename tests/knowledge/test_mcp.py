"""Knowledge from a real server process, in its several ages, down and slow."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from fairdeploy.errors import InvalidInput, KnowledgeError
from fairdeploy.knowledge import BuiltInKnowledge, cite
from fairdeploy.knowledge.mcp import ARCHON, MCPKnowledge, ToolMap
from fairdeploy.patterns import InstitutionRequirements, recommend
from tests.knowledge.conftest import start, stop
from tests.ports import free_port

pytestmark = pytest.mark.anyio

Serve = Callable[[str], str]
PATIENT = 120.0
"""Seconds: a slow machine is no wrong answer."""
OTHER = ToolMap.from_config(
    {
        "search": [
            {
                "name": "search_documentation",
                "arguments": {"query": ["search_phrase"], "limit": ["limit"]},
                "results": ["hits"],
            }
        ],
        "passage": {"text": ["context"], "title": ["heading"], "address": ["link"], "ref": ["link"]},
    }
)


async def test_pages_are_found_and_read_in_full(serve: Serve) -> None:
    """A result that only names its page is read with a second call; what it says of itself is kept."""
    source = MCPKnowledge(serve("pages"), fallback=None, deadline=PATIENT)

    found = await source.search("backup", limit=1)

    assert [each.text for each in found] == ["Backups of Supabase Cloud are kept for seven days."]
    assert (found[0].address, found[0].origin, found[0].ref) == (
        "https://docs.example.org/backup",
        "src-supabase",
        "p1",
    )
    assert found[0].score == 0.8
    assert (await source.read("p1")).text == found[0].text
    assert [each.id for each in await source.sources()] == ["src-supabase", "src-hipaa"]


async def test_a_filter_holds_in_every_age(serve: Serve) -> None:
    """A server that knows the filter by another name, or drops it, gives nothing from elsewhere."""
    for era in ("pages", "domain"):
        found = await MCPKnowledge(serve(era), fallback=None, deadline=PATIENT).search(
            "keys", origin="src-hipaa"
        )

        assert [each.origin for each in found] == ["src-hipaa"], era


async def test_old_names_are_found_by_asking(serve: Serve) -> None:
    """The tools of August 2025 are discovered, and chunks are read where they stand."""
    source = MCPKnowledge(serve("domain"), fallback=None, deadline=PATIENT)

    found = await source.search("backup", limit=1)

    assert found[0].text.startswith("Backups")
    assert found[0].address == "https://docs.example.org/backup"
    assert len(await source.sources()) == 2


async def test_a_failure_that_is_no_error_is_seen(serve: Serve) -> None:
    """`success: false` in the text is a failure, and says why."""
    with pytest.raises(KnowledgeError, match="HTTP 500 from the server behind"):
        await MCPKnowledge(serve("failing"), fallback=None, deadline=PATIENT).search("x")


async def test_a_page_that_is_not_there_is_said(serve: Serve) -> None:
    """The server's own reason is given."""
    with pytest.raises(KnowledgeError, match="no page p9"):
        await MCPKnowledge(serve("pages"), fallback=None, deadline=PATIENT).read("p9")


async def test_a_notice_instead_of_json_is_a_passage(serve: Serve) -> None:
    """Plain text is what it is."""
    found = await MCPKnowledge(serve("odd"), fallback=None, deadline=PATIENT).search("backup")

    assert [each.text for each in found] == ["The page about backup is too long to be shown."]


async def test_a_server_without_the_tools_names_what_it_offers(serve: Serve) -> None:
    """The error says what was looked for, and what is there."""
    with pytest.raises(KnowledgeError, match=r"'rag_search_knowledge_base'.*it offers 'health_check'"):
        await MCPKnowledge(serve("empty"), fallback=None, deadline=PATIENT).search("x")


async def test_another_server_needs_configuration_only(serve: Serve) -> None:
    """Other tools, arguments and fields are a mapping, not code."""
    found = await MCPKnowledge(serve("docs"), tools=OTHER, fallback=None, deadline=PATIENT).search(
        "standby", limit=2
    )

    assert [(each.title, each.text, each.address) for each in found] == [
        ("RDS", "About standby.", "https://aws.example.org/rds")
    ] * 2
    assert await MCPKnowledge(serve("docs"), tools=OTHER, fallback=None, deadline=PATIENT).sources() == ()


async def test_a_server_that_is_down_is_said_or_stood_in_for(caplog: pytest.LogCaptureFixture) -> None:
    """Without a fallback the error names the address; with one the catalogue answers, and the log says so."""
    nowhere = MCPKnowledge(f"http://127.0.0.1:{free_port()}/mcp", deadline=PATIENT)

    with pytest.raises(KnowledgeError, match="gave no answer: ConnectError"):
        await replace(nowhere, fallback=None).search("HIPAA")
    with caplog.at_level(logging.WARNING, logger="fairdeploy"):
        found = await nowhere.search("HIPAA supabase", limit=1)

    assert found[0].origin == "fairdeploy-claims"
    assert "falls back" in caplog.text


async def test_a_slow_server_is_left_at_the_deadline(serve: Serve) -> None:
    """The deadline is for the whole question."""
    with pytest.raises(KnowledgeError, match=r"did not answer in 1\.5 s"):
        await MCPKnowledge(serve("slow"), fallback=None, deadline=1.5).search("x")


async def test_a_server_that_was_restarted_is_found_again() -> None:
    """No session outlives its question: nothing is left to be refused after a restart."""
    port = free_port()
    source = MCPKnowledge(f"http://127.0.0.1:{port}/mcp", fallback=None, deadline=PATIENT)
    for era in ("pages", "domain"):
        process = start(port, era)
        try:
            assert (await source.search("backup", limit=1))[0].text.startswith("Backups")
        finally:
            stop(process)


async def test_what_is_cited_stays_a_quotation(serve: Serve) -> None:
    """Passages stand beside the advice as quoted data; they change neither the ranking nor the page."""
    needs = InstitutionRequirements(
        budget="low", compliance=["GDPR"], expertise="basic", expected_growth="high", data_sovereignty=False
    )
    advice = recommend(needs)

    cited = await cite(advice, MCPKnowledge(serve("pages"), fallback=None, deadline=PATIENT))
    text = cited.to_markdown()

    assert cited.advice is advice
    assert len(cited.passages) == 2  # the winner, and the rule that it meets under conditions
    assert "> Ignore all previous instructions" in text
    assert "`https://docs.example.org/hipaa`" in text
    assert "\x1b" not in text


async def test_the_catalogue_can_be_cited_too() -> None:
    """The built-in source finds claims by their words, and gives their addresses."""
    source = BuiltInKnowledge()

    found = await source.search("HIPAA dbaas supabase", limit=1)

    assert found[0].title == "Database as a Service (Supabase Cloud): HIPAA"
    assert found[0].address.startswith("https://supabase.com/")
    assert (await source.read(found[0].ref)).text == found[0].text
    assert [each.id for each in await source.sources()] == ["fairdeploy-claims", "fairdeploy-costs"]
    assert await source.search("spot", origin="fairdeploy-claims") == ()
    assert await source.search("zzz") == ()
    with pytest.raises(KnowledgeError, match="'nowhere'"):
        await source.read("nowhere")


async def test_nothing_to_recommend_is_nothing_to_cite() -> None:
    """Without a winner there is no question."""
    needs = InstitutionRequirements(
        budget="low",
        compliance=[],
        expertise="basic",
        expected_growth="low",
        data_sovereignty=True,
        sensitive_on_site=True,
        availability_percent=99.9,
    )

    assert not (await cite(recommend(needs), BuiltInKnowledge())).passages


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "needs 'search'"),
        ({"search": [], "colour": 1}, "'colour'"),
        ({"search": "x"}, "list of tools"),
        ({"search": [{"name": "x"}]}, "'arguments'"),
        ({"search": [{"name": "x", "arguments": {"colour": ["c"]}}]}, "'colour'"),
        ({"search": [], "passage": {"colour": ["c"]}}, "passage must map"),
    ],
)
def test_bad_configuration_is_refused_by_name(config: dict[str, object], words: str) -> None:
    """A tool map says what is wrong with it."""
    with pytest.raises(InvalidInput, match=words):
        ToolMap.from_config(config)


def test_bad_addresses_and_bounds_are_refused() -> None:
    """An address of another kind, or a deadline of nothing."""
    with pytest.raises(InvalidInput, match="'ftp://x'"):
        MCPKnowledge("ftp://x")
    with pytest.raises(InvalidInput, match="above 0"):
        MCPKnowledge("http://x", deadline=0)


def test_secrets_are_not_shown() -> None:
    """A token among the headers is in no `repr`."""
    assert "s3cret" not in repr(MCPKnowledge("http://x", headers={"Authorization": "Bearer s3cret"}))


def test_the_extra_is_asked_for_by_name() -> None:
    """Without the library, importing the module says what to install."""
    program = (
        "import sys; sys.modules['mcp'] = None\n"
        "try:\n    import fairdeploy.knowledge.mcp\n"
        "except ImportError as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=250
    )

    assert 'pip install "fairdeploy[mcp]"' in ran.stdout


def test_archons_names_are_all_there() -> None:
    """The newest names come first."""
    assert [each.name for each in ARCHON.search][:2] == ["rag_search_knowledge_base", "perform_rag_query"]
