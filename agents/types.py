"""The shapes that policies, environments, the web and trainers exchange."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal


class ActionKind(StrEnum):
    ASK = "ask"
    EXAMINE = "examine"
    DIAGNOSE = "diagnose"
    DEFER = "defer"

    @property
    def is_final(self) -> bool:
        """Diagnose and Defer end an episode."""
        return self in (ActionKind.DIAGNOSE, ActionKind.DEFER)


class HypothesisGroup(StrEnum):
    LIKELY = "likely"
    CANT_MISS = "cant_miss"
    OTHER = "other"


class Source(StrEnum):
    """Where an answer came from. Only ENTERED and RECORDED may ever become a Finding."""

    ENTERED = "entered"
    RECORDED = "recorded"
    SIMULATED = "simulated"
    UNAVAILABLE = "unavailable"


class End(StrEnum):
    FINISH = "FINISH"
    DEFER = "DEFER"
    MALFORMED = "MALFORMED"
    MAX_TURNS = "MAX_TURNS"
    TOKEN_BUDGET = "TOKEN_BUDGET"
    ENV_ERROR = "ENV_ERROR"


MAX_TURNS = 12
"""Agent actions in one consultation before the cap (system.md 2.5)."""


class MalformedAction(ValueError):
    """The policy's text is not exactly one action; `text` is what it said."""

    def __init__(self, reason: str, *, text: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str

    def as_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One entry of a differential; probability in 0..1, or None where the codec carries none."""

    diagnosis: str
    probability: float | None = None
    group: HypothesisGroup = HypothesisGroup.LIKELY
    for_: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "diagnosis": self.diagnosis,
            "probability": self.probability,
            "group": str(self.group),
            "for": list(self.for_),
            "against": list(self.against),
        }


@dataclass(frozen=True, slots=True)
class Action:
    """What the policy chose, parsed. `target` is a question, examination, diagnosis, or what is missing."""

    kind: ActionKind
    target: str
    reason: str = ""
    differential: tuple[Hypothesis, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": str(self.kind),
            "target": self.target,
            "reason": self.reason,
            "differential": [hypothesis.as_dict() for hypothesis in self.differential],
        }


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a result; `flag` is '', 'L', 'H', 'LL' or 'HH' against the reference range."""

    code: str
    value: float
    unit: str
    flag: str = ""
    name: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What an environment returns for one request. `matched` is the catalogue name it was read as."""

    text: str
    source: Source
    request: str = ""
    matched: str | None = None
    values: tuple[Value, ...] = ()
    model: str | None = None
    version: str | None = None
    seed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "source": str(self.source)}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a policy samples; part of its identity.

    `resample` is how often an answer that asks for what is known is dropped and drawn again; below `least_fit` no
    diagnosis is named (agents.answers).
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None
    resample: int = 0
    least_fit: float = 0.0


@dataclass(frozen=True, slots=True)
class PolicyIdentity:
    """Who spoke: stored on every turn, every episode, every evaluation (contracts.md)."""

    version: str
    base: str
    adapter: str | None
    prompt: str
    engine: str
    sampling: Sampling
    probe: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """`sampling` names rules only where there are some, as identities did before there were any."""
        told = asdict(self)
        for rule in ("resample", "least_fit"):
            if not told["sampling"][rule]:
                del told["sampling"][rule]
        return told


@dataclass(frozen=True, slots=True)
class TokenTrace:
    """Sampled token ids of one agent turn, (T,), with log-probs (T,) in nats and the loss mask (T,)."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    mask: tuple[int, ...]


@dataclass(slots=True)
class EpisodeTurn:
    """One turn; `dropped` says why answers before this one were dropped (agents.answers)."""

    n: int
    role: Literal["agent", "environment"]
    text: str
    action: Action | None = None
    observations: tuple[Observation, ...] = ()
    tokens: TokenTrace | None = None
    seconds: float = 0.0
    dropped: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "n": self.n,
            "role": self.role,
            "text": self.text,
            "action": self.action.as_dict() if self.action else None,
            "observations": [observation.as_dict() for observation in self.observations],
            "seconds": round(self.seconds, 4),
        }
        if self.tokens:
            data["tokens"] = asdict(self.tokens)
        if self.dropped:
            data["dropped"] = list(self.dropped)
        return data


@dataclass(slots=True)
class Episode:
    """The record of one rollout; `error` is set exactly when `end` is ENV_ERROR (contracts.md, Episode)."""

    case: str
    group: str
    policy: PolicyIdentity
    world: dict[str, Any]
    turns: list[EpisodeTurn] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    end: End | None = None
    diagnosis: str | None = None
    forced: bool = False
    reward: dict[str, Any] | None = None
    error: str | None = None

    @property
    def agent_turns(self) -> int:
        """The metric `turns`: agent actions, true in every exit path; a malformed answer is no action."""
        return sum(turn.role == "agent" and turn.action is not None for turn in self.turns)

    def as_dict(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "group": self.group,
            "policy": self.policy.as_dict(),
            "world": self.world,
            "turns": [turn.as_dict() for turn in self.turns],
            "facts": self.facts,
            "cost": self.cost,
            "seconds": round(self.seconds, 3),
            "end": str(self.end) if self.end else None,
            "diagnosis": self.diagnosis,
            "forced": self.forced,
            "reward": self.reward,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """One examination result as a record states it."""

    examination: str
    text: str
    values: tuple[Value, ...] = ()
    order: int = 0


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A full patient record behind a consultation, as parsers return it and environments replay it.

    `history` maps a section ("chief_complaint", "hpi", "past", "drugs", "allergies", "family", "social",
    "review") to its text. `answer` is the recorded diagnosis; no codec or prompt ever sees it.
    """

    id: str
    origin: str
    age_years: float | None
    sex: Literal["female", "male", "other", "unknown"]
    complaint: str
    history: dict[str, str] = field(default_factory=dict)
    results: tuple[RecordedResult, ...] = ()
    answer: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def inquiry(self) -> Inquiry:
        """What the agent may know before its first action; never results, never the answer."""
        return Inquiry(age_years=self.age_years, sex=self.sex, complaint=self.complaint, history=dict(self.history))


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A patient's first presentation as the agent is told it."""

    age_years: float | None
    sex: str
    complaint: str
    history: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One past agent turn, verbatim, and what came back; prompts grow by exchanges only.

    `said` is the model's raw text (so that the prompt of turn k is a token prefix of turn k+1), `reply` the
    codec's wording of the observations or of what the clinician wrote.
    """

    said: str
    reply: str
