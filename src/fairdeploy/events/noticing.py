"""Which events are news, how urgent they are, and what is said of them: a pure reading of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairdeploy.model import Began, Ended, Noted, Notice, Outcome, Parked, Subject, TookOver, Undoing

if TYPE_CHECKING:
    from fairdeploy.model import Base, Event, Plan, Urgency

__all__ = ["notice_of"]

_LONGEST = 2_000
"""Characters of a text that are told; a chat shows no more."""
_URGENCY: dict[Outcome, Urgency] = {
    Outcome.PROMOTED: "info",
    Outcome.ROLLED_BACK: "warning",
    Outcome.ABORTED: "warning",
    Outcome.SUPERSEDED: "info",
    Outcome.NEEDS_ATTENTION: "critical",
}
_TOPIC: dict[str, Urgency] = {"hold": "warning", "rollback": "warning", "emergency": "critical"}


def notice_of(event: Event, plan: Plan, *, journal: str = "") -> Notice | None:
    """Return what is told of an event; ``None``: nothing.

    Args:
        event: From a journal.
        plan: Of its rollout.
        journal: Tells its notices from those of other journals.
    """
    found = _news(event, plan)
    if found is None:
        return None
    urgency, title, text = found
    return Notice(
        f"{journal}{'-' if journal else ''}{event.rollout}-{event.seq}",
        seq=event.seq,
        rollout=event.rollout,
        kind=event.record.kind,
        urgency=urgency,
        title=_said(title).replace("\n", " "),
        text=_said(text),
        targets=tuple(base.target.id for base in plan.bases),
        at_ms=event.at_ms,
        strategy=plan.strategy,
        subjects=tuple(_subject(plan, base) for base in plan.bases),
        outcome=event.record.result.outcome if isinstance(event.record, Ended) else None,
        began_ms=event.record.result.started_ms if isinstance(event.record, Ended) else 0,
    )


def _subject(plan: Plan, base: Base) -> Subject:
    release = plan.releases.get(base.candidate) if base.candidate is not None else None
    return Subject(
        target=base.target.id,
        app=base.target.app,
        environment=base.target.environment,
        before=base.stable,
        after=base.candidate,
        version="" if release is None else release.version,
        image="" if release is None else release.image or "",
    )


def _news(event: Event, plan: Plan) -> tuple[Urgency, str, str] | None:
    targets = ", ".join(base.target.id for base in plan.bases)
    match event.record:
        case Began():
            return "info", f"{plan.strategy} of {targets} begins", f"rollout {event.rollout}"
        case Undoing(outcome=outcome, reason=reason):
            return "warning", f"{plan.strategy} of {targets} is going back ({_words(outcome)})", reason
        case TookOver(reason=reason):
            return "warning", f"{plan.strategy} of {targets} was taken over", reason
        case Parked():
            return "info", f"{plan.strategy} of {targets} waits for somebody", f"rollout {event.rollout}"
        case Ended(result=result):
            title = f"{plan.strategy} of {targets}: {_words(result.outcome)}"
            return _URGENCY[result.outcome], title, result.reason
        case Noted(topic=topic, message=message) if topic in _TOPIC:
            titles = {"hold": f"{targets} is on hold", "rollback": f"{targets} was rolled back"}
            return _TOPIC[topic], titles.get(topic, f"{targets} needs attention now"), message
        case _:
            return None


def _words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _said(text: str) -> str:
    """Return a text without the last words of instances, which may say anything, and not longer than is read."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("|")]
    return "\n".join(lines)[:_LONGEST]
