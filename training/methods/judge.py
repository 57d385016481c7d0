"""Slot S4: who judges."""

from __future__ import annotations

from agents.judge import Completes, LanguageJudge, RuleJudge
from training.methods.registry import register


@register("judge", "rules")
def rules() -> RuleJudge:
    """The rule-based judge: needs no model, and cannot tell where a criterion has no rule."""
    return RuleJudge()


@register("judge", "language")
def language(client: Completes, *, tries: int = 3, seed: int = 0) -> LanguageJudge:
    """A capable model behind `client`; decisions.md 22 keeps it apart from the gate's judge."""
    return LanguageJudge(client, tries=tries, seed=seed)
