from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, strategies as st
from pydantic import TypeAdapter

from fairdeploy.errors import InvalidSplit
from fairdeploy.model import WHOLE, Release, SecretRef, Split
from fairdeploy.model.canonical import canonical

names = st.text("abcdefghij", min_size=1, max_size=4)
words = st.text(min_size=1, max_size=12).filter(lambda word: "\0" not in word)


@st.composite
def splits(draw: st.DrawFn) -> Split:
    """Draw a split between one and five revisions."""
    revisions = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    cuts = sorted(
        draw(st.lists(st.integers(0, WHOLE), min_size=len(revisions) - 1, max_size=len(revisions) - 1))
    )
    edges = [0, *cuts, WHOLE]
    return Split({r: high - low for r, low, high in zip(revisions, edges[:-1], edges[1:], strict=True)})


@given(splits())
def test_a_split_is_whole(split: Split) -> None:
    """Shares are positive and sum to everything, and a record of it reads back equal."""
    assert sum(split.shares.values()) == WHOLE
    assert all(share > 0 for share in split.shares.values())
    assert TypeAdapter(Split).validate_json(canonical(split)) == split


@given(st.dictionaries(names, st.integers(-WHOLE, 2 * WHOLE), max_size=5))
def test_what_is_not_whole_is_no_split(shares: dict[str, int]) -> None:
    """Whatever does not sum to 10,000, or is out of range, is refused."""
    assume(sum(shares.values()) != WHOLE or any(not 0 <= share <= WHOLE for share in shares.values()))

    with pytest.raises(InvalidSplit):
        Split(shares)


@given(names, names, st.integers(0, WHOLE))
def test_a_split_between_two_gives_what_it_says(stable: str, candidate: str, share: int) -> None:
    """The candidate gets its share, stable the rest; a share of nothing is no share."""
    assume(stable != candidate)
    split = Split.between(stable, candidate, share)

    assert (split.share(candidate), split.share(stable)) == (share, WHOLE - share)
    assert (candidate in split.shares) is (share > 0)


releases = st.builds(
    Release,
    version=st.text("0123456789.ab", min_size=1, max_size=8).filter(str.strip),
    command=st.lists(words, min_size=1, max_size=4),
    env=st.dictionaries(st.sampled_from(["A", "B", "C"]), words),
    config=st.dictionaries(st.sampled_from(["a.toml", "b/c.toml"]), words),
    stop_grace_ms=st.integers(0, 60_000),
)


@given(releases)
def test_a_release_is_known_by_its_content(release: Release) -> None:
    """The same content has the same revision, whatever order it was written in, also after its record was read."""
    shuffled = replace(release, env=dict(reversed(list(release.env.items()))), command=list(release.command))
    again = TypeAdapter(Release).validate_json(canonical(release))

    assert shuffled.revision == release.revision == again.revision
    assert again == release


@given(releases, releases)
def test_other_content_is_another_revision(one: Release, two: Release) -> None:
    """Releases that differ in anything differ in their revision."""
    assert (one == two) is (one.revision == two.revision)


@given(releases)
def test_every_part_counts(release: Release) -> None:
    """Configuration, environment, secret and grace each make a new revision, without a new command."""
    changed = [
        replace(release, env={**release.env, "NEW": "1"}),
        replace(release, env={**release.env, "NEW": SecretRef("env", "KEY")}),
        replace(release, env={**release.env, "NEW": SecretRef("env", "KEY", fingerprint="f")}),
        replace(release, config={**release.config, "new": "1"}),
        replace(release, stop_grace_ms=release.stop_grace_ms + 1),
    ]

    assert len({release.revision, *(other.revision for other in changed)}) == 1 + len(changed)
