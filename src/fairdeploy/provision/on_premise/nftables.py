"""What nftables lets in: the chains that drop what no rule accepts, and a rule more for a port."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, final

from fairdeploy.errors import BackendError
from fairdeploy.provision.on_premise._run import run

__all__ = ["Chain", "closing"]


@final
@dataclass(frozen=True, slots=True)
class Chain:
    """A chain through which all goes that comes in, and which drops what it does not know.

    Args:
        family: ``inet``, ``ip`` or ``ip6``.
        table: Its table.
        name: Its own name.
        accepted: TCP ports that it lets in from everywhere.
    """

    family: str
    table: str
    name: str
    accepted: frozenset[int]

    def closed_to(self, port: int) -> bool:
        """Whether it keeps a port closed, to anybody."""
        return port not in self.accepted

    async def open(self, port: int) -> None:
        """Let a port in, before all other rules.

        Raises:
            BackendError: If nftables refuses it.
        """
        place = (self.family, self.table, self.name)
        (await run(["nft", "insert", "rule", *place, "tcp", "dport", str(port), "accept"])).must(
            "opening the port"
        )


async def closing() -> tuple[Chain, ...]:
    """Return the chains that drop what comes in.

    Raises:
        BackendError: If what nftables prints cannot be read.
    """
    ran = await run(["nft", "--json", "list", "ruleset"], deadline=10)
    if ran.status != 0:
        return ()  # this user may not ask, or the kernel has none
    try:
        listed = json.loads(ran.printed)["nftables"]
        chains = [each["chain"] for each in listed if "chain" in each]
        rules = [each["rule"] for each in listed if "rule" in each]
        return tuple(_chain(chain, rules) for chain in chains if _closes(chain, rules))
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise BackendError(
            f"what nft printed cannot be read ({type(exc).__name__}): use nftables 1.0 or newer"
        ) from exc


def _of(chain: dict[str, Any], rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    place = (chain["family"], chain["table"], chain["name"])
    return [rule for rule in rules if (rule["family"], rule["table"], rule["chain"]) == place]


def _closes(chain: dict[str, Any], rules: list[dict[str, Any]]) -> bool:
    """Whether it drops by its policy, or by a rule that asks nothing."""
    if chain.get("hook") != "input" or chain.get("type") != "filter":
        return False
    last = [rule["expr"] for rule in _of(chain, rules)]
    return chain.get("policy") == "drop" or any(
        any("drop" in part or "reject" in part for part in said) and not any("match" in part for part in said)
        for said in last
    )


def _chain(chain: dict[str, Any], rules: list[dict[str, Any]]) -> Chain:
    ports = frozenset(port for rule in _of(chain, rules) for port in _accepted(rule["expr"]))
    return Chain(chain["family"], chain["table"], chain["name"], ports)


def _accepted(said: list[dict[str, Any]]) -> list[int]:
    """Return the TCP ports that a rule accepts from everywhere."""
    matches = [part["match"] for part in said if "match" in part]
    if len(matches) != 1 or not any("accept" in part for part in said):
        return []
    (match,) = matches
    asked = match["left"].get("payload", {}) if isinstance(match["left"], dict) else {}
    if match["op"] not in {"==", "in"} or (asked.get("protocol"), asked.get("field")) != ("tcp", "dport"):
        return []
    right = match["right"]
    several = right["set"] if isinstance(right, dict) and "set" in right else [right]
    found: list[int] = []
    for each in several:
        if isinstance(each, dict) and "range" in each:
            low, high = each["range"]
            found += range(int(low), int(high) + 1)
        elif isinstance(each, int):
            found.append(each)
    return found
