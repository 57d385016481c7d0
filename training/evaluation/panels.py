"""Multi-agent prompting over one endpoint, as baselines: in the manner of MedAgents and of MDAgents, in our words.

MedAgents (arXiv 2311.10537): specialists are gathered, comment, a joint report is voted on and revised, then decided.
MDAgents (arXiv 2404.15155): the difficulty decides between one physician, a discussion, and teams one after another.
Here the decision is one action of the consultation, so that these methods play the same episodes as any policy.
Simpler than the papers: three specialists, one round of revision, free text between the agents.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents import prompts
from agents.answers import unruled
from agents.client import Completion, Usage
from agents.policy import Policy
from agents.prompts import fill, load, plain
from agents.types import Action, Exchange, Inquiry, Message, PolicyIdentity, Sampling

FILES = tuple(
    f"panel_{part}.txt" for part in ("experts", "opinion", "report", "vote", "revise", "complexity", "team", "decide")
)
SPECIALISTS = 3
USUAL = ("internal medicine", "emergency medicine", "radiology")
"""Where the model names no specialties."""
TEAMS = ("initial assessment team", "diagnostic evidence team", "final review team")
REPORT_CHARS = 900
SHORT = 160
"""Tokens of one comment."""


@dataclass
class _Talk:
    """One turn's conversation behind the scenes; counts what it costs."""

    policy: Policy
    case: list[Message]
    priority: int
    spent: int = 0
    seconds: float = 0.0

    async def say(self, prompt: str, *, max_tokens: int = SHORT) -> str:
        """An answer about the case, in free text; raises PolicyError."""
        last = self.case[-1]
        messages = [*self.case[:-1], Message(last.role, f"{last.content}\n\n{prompt}")]
        sampling: Sampling = replace(self.policy.sampling, max_tokens=max_tokens)
        said = await self.policy.client.complete(messages, sampling=sampling, priority=self.priority)
        self.spent += said.usage.completion if said.usage else 0
        self.seconds += said.seconds
        return plain(said.text).strip()[:REPORT_CHARS]


class Panel:
    """A policy that lets others speak before it decides; subclasses give the report."""

    name = ""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.codec = policy.codec
        prompt = prompts.digest(*FILES)
        self.identity: PolicyIdentity = replace(
            unruled(policy.identity),
            version=f"{self.name}({policy.identity.version})",
            prompt=f"{policy.codec.digest}+{prompt}",
        )

    async def say(
        self,
        inquiry: Inquiry,
        exchanges: Sequence[Exchange],
        *,
        force_final: bool = False,
        priority: int = 0,
        tokens: bool = False,
    ) -> Completion:
        """The action decided after the discussion; its usage counts the discussion too. Raises PolicyError."""
        messages = self.codec.messages(inquiry, exchanges, force_final=force_final)
        return await self.answer(messages, force_final=force_final, priority=priority, tokens=tokens)

    async def answer(
        self, messages: Sequence[Message], *, force_final: bool = False, priority: int = 0, tokens: bool = False
    ) -> Completion:
        """The same for a prompt that is already made; raises PolicyError."""
        talk = _Talk(self.policy, _without_form(messages), priority)
        report = await self.report(talk)
        last = messages[-1]
        decide = fill("panel_decide.txt", message=last.content, report=report) if report else last.content
        said = await self.policy.client.complete(
            [*messages[:-1], Message(last.role, decide)],
            sampling=self.policy.sampling,
            response_format=self.codec.response_format(force_final=force_final),
            priority=priority,
            tokens=tokens,
        )
        usage = said.usage or Usage(0, 0)
        usage = usage._replace(completion=usage.completion + talk.spent)
        return replace(said, usage=usage, seconds=said.seconds + talk.seconds)

    def parse(self, text: str) -> Action:
        return self.policy.parse(text)

    async def report(self, talk: _Talk) -> str:
        """What the others conclude; '' where nobody was asked."""
        raise NotImplementedError


class MedAgents(Panel):
    """Specialists, a joint report, a vote, one revision."""

    name = "medagents"

    async def report(self, talk: _Talk) -> str:
        return await discuss(talk, vote=True)


class MDAgents(Panel):
    """One physician, a discussion, or teams in turn, as the difficulty asks."""

    name = "mdagents"

    async def report(self, talk: _Talk) -> str:
        level = complexity(await talk.say(load("panel_complexity.txt"), max_tokens=8))
        if level == "low":
            return ""
        if level == "moderate":
            return await discuss(talk, vote=False)
        reports: list[str] = []
        for team in TEAMS:
            told = "\n".join(reports) or "none"
            reports.append(f"{team}: {await talk.say(fill('panel_team.txt', team=team, reports=told))}")
        return "\n".join(reports)[:REPORT_CHARS]


PANELS = {panel.name: panel for panel in (MedAgents, MDAgents)}


async def discuss(talk: _Talk, *, vote: bool) -> str:
    """The report of three specialists, revised once if a vote objects."""
    experts = specialties(await talk.say(load("panel_experts.txt"), max_tokens=40))
    opinions = await asyncio.gather(*(talk.say(fill("panel_opinion.txt", specialty=field)) for field in experts))
    told = "\n".join(f"{field}: {opinion}" for field, opinion in zip(experts, opinions, strict=True))
    report = await talk.say(fill("panel_report.txt", opinions=told))
    if not vote:
        return report
    asked = (talk.say(fill("panel_vote.txt", specialty=field, report=report), max_tokens=60) for field in experts)
    votes = await asyncio.gather(*asked)
    objections = [said for said in votes if not agrees(said)]
    if not objections:
        return report
    return await talk.say(fill("panel_revise.txt", report=report, objections="\n".join(objections)))


def specialties(text: str) -> list[str]:
    """Three distinct names out of a reply; filled up with the usual ones."""
    named = [re.sub(r"^\W*\d*[.)]?\s*", "", part).strip(" .*\"'").lower() for part in re.split(r"[,\n;]", text)]
    told = [part for part in named if 3 <= len(part) <= 40]
    return list(dict.fromkeys([*told, *USUAL]))[:SPECIALISTS]


def complexity(text: str) -> str:
    """low, moderate or high: the first word if it is one of these, else moderate."""
    word = re.match(r"\W*(low|moderate|high)\b", text.lower())
    return word[1] if word else "moderate"


def agrees(text: str) -> bool:
    """Whether a vote begins with the word yes."""
    return bool(re.match(r"\W*yes\b", text.lower()))


def _without_form(messages: Sequence[Message]) -> list[Message]:
    """The case without the system message, which asks for the codec's form."""
    return [message for message in messages if message.role != "system"]
