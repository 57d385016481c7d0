"""Single-turn protocol (system.md 3.2, E1): at each point of a reference consultation, the next step or the diagnosis.

The published script shows the model the turn with the answer; here the prompts are built afresh from what was asked
and found before that point, reference actions are shown without their working diagnoses, and `leaks` checks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.client import Completion
from agents.codecs import Codec
from agents.environment import ConsultationEnv
from agents.errors import PolicyError
from agents.judge import JudgeError, LanguageJudge
from agents.matching import ontology, settle_diagnosis
from agents.matching.exams import read, related
from agents.policy import Policy, Speaker
from agents.prompts import fill
from agents.records.base import words
from agents.rollout import run_episode
from agents.types import Action, ActionKind, Exchange, Hypothesis, Inquiry, MalformedAction, Message, Observation
from training.evaluation.cases import EvaluationCase
from training.evaluation.end_to_end import BY_JUDGE, UNDECIDED
from training.evaluation.panels import Panel
from training.evaluation.policies import GreedyOracle, Player
from training.evaluation.statistics import bootstrap_ci, share_ci

EXAMINE, DIAGNOSE = "single_turn_examine.txt", "single_turn_diagnose.txt"
OPEN = Hypothesis("Not yet determined", 0.01)
"""Stands in reference actions for the working diagnosis, which near the end is the answer."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a reference consultation and what came back."""

    action: Action
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A reference consultation up to its diagnosis, which is not in it."""

    inquiry: Inquiry
    steps: tuple[Step, ...]

    def examinations(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Catalogue ids (or keys) of what these steps ordered, without repeats."""
        return read(step.action.target for step in self.steps[start:stop] if step.action.kind is ActionKind.EXAMINE)


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One asked-for examination. All False where the reply could not be read or was no examination."""

    step: int
    asked: str
    hit: bool = False
    hit_remaining: bool = False
    repeat: bool = False
    malformed: bool = False
    diagnosed: bool = False


@dataclass(frozen=True, slots=True)
class SingleTurnResult:
    """One case: its examination turns and its final turn; `error` set means no outcome."""

    case: str
    centre: str
    turns: tuple[TurnResult, ...] = ()
    correct: bool = False
    how: str = ""
    diagnosis: str | None = None
    malformed: bool = False
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


async def trajectory(case: EvaluationCase) -> Trajectory:
    """The greedy oracle's consultation of a virtual case; of a record its results in their order."""
    env = case.environment()
    if case.is_virtual:
        episode = await run_episode(GreedyOracle().seat(case.id, env.world), env)
        actions = [turn.action for turn in episode.turns if turn.action and not turn.action.kind.is_final]
        replies = [turn.observations for turn in episode.turns if turn.role == "environment"]
        steps = tuple(Step(action, seen) for action, seen in zip(actions, replies, strict=True))
        return Trajectory(case.record.inquiry(), steps)
    actions = [Action(ActionKind.EXAMINE, name, "") for name in case.reference_examinations]
    return Trajectory(
        case.record.inquiry(), tuple([Step(action, (await env.step(action)).observations) for action in actions])
    )


def prompt(told: Trajectory, stop: int, codec: Codec, *, diagnose: bool) -> list[Message]:
    """The messages before step `stop`; the forcing sentence stands once, in the last. Nothing is shared."""
    messages = codec.messages(told.inquiry, exchanges(told, stop, codec), force_final=False)
    last = messages[-1]
    forced = fill(DIAGNOSE if diagnose else EXAMINE, message=last.content)
    return [*(Message(message.role, message.content) for message in messages[:-1]), Message(last.role, forced)]


def exchanges(told: Trajectory, stop: int, codec: Codec) -> list[Exchange]:
    """The first steps as the codec writes them, working diagnoses left out; what it cannot say is left out too."""
    written = []
    for step in told.steps[:stop]:
        reason = "More information is needed."
        try:
            said = codec.encode(Action(step.action.kind, step.action.target, reason, (OPEN,)))
        except ValueError:
            continue
        written.append(Exchange(said, codec.reply(step.observations)))
    return written


def leaks(messages: Sequence[Message], case: EvaluationCase) -> str | None:
    """The name of the answer that an assistant message of the prompt gives away, or None."""
    known = ontology().resolve(case.answer)
    names = (case.answer, *(ontology().names(known.condition) if known else ()))
    said = "".join(words(message.content) for message in messages if message.role == "assistant")
    return next((name for name in names if words(name).strip() and words(name) in said), None)


async def play(case: EvaluationCase, player: Player, *, judge: LanguageJudge | None = None) -> SingleTurnResult:
    """Every examination turn and the final turn of one case; failures of policy or judge are its `error`."""
    try:
        told = await trajectory(case)
        turns = [
            await _examine(case, player, told, n)
            for n, step in enumerate(told.steps)
            if step.action.kind is ActionKind.EXAMINE
        ]
        action = await _act(case, player, told, len(told.steps), diagnose=True)
        opinion = judge.same_diagnosis if judge else None
        if action is None or action.kind is not ActionKind.DIAGNOSE:
            return SingleTurnResult(case.id, case.centre, tuple(turns), malformed=action is None, how="no diagnosis")
        match = await settle_diagnosis(action.target, case.answer, second_opinion=opinion)
    except (PolicyError, JudgeError) as error:
        return SingleTurnResult(case.id, case.centre, error=f"{type(error).__name__}: {error}")
    return SingleTurnResult(case.id, case.centre, tuple(turns), bool(match.correct), match.how, action.target)


def summarise(results: Sequence[SingleTurnResult], *, seed: int = 0) -> dict[str, Any]:
    """Hit ratios over all examination turns and accuracy over all cases, 0..1; cases are resampled whole."""
    scored = [result for result in results if result.error is None]
    counts = np.array([_counts(result) for result in scored], dtype=float).reshape(len(scored), 7)
    names = ("hit_ratio", "hit_remaining", "hit_new", "malformed", "diagnosed_early")
    total = counts[:, 0].sum()
    summary: dict[str, Any] = {"n": len(results), "scored": len(scored), "errors": len(results) - len(scored)}
    summary["turns"] = int(total)
    summary |= {name: float(counts[:, i].sum() / total) if total else None for i, name in enumerate(names, 1)}
    summary["accuracy"] = float(counts[:, 6].mean()) if scored else None
    summary["ci"] = {name: _ratio_ci(counts[:, [i, 0]], seed) for i, name in enumerate(names, 1)}
    summary["ci"]["accuracy"] = share_ci(counts[:, 6], seed=seed)
    settled = [result.how for result in scored]
    lost = sum((result.error or "").startswith(JudgeError.__name__) for result in results)
    return summary | {"undecided": settled.count(UNDECIDED), "judged": settled.count(BY_JUDGE), "unjudged": lost}


async def _examine(case: EvaluationCase, player: Player, told: Trajectory, stop: int) -> TurnResult:
    action = await _act(case, player, told, stop, diagnose=False)
    if action is None:
        return TurnResult(stop, "", malformed=True)
    if action.kind is not ActionKind.EXAMINE:
        return TurnResult(stop, action.target, diagnosed=action.kind is ActionKind.DIAGNOSE)
    # Only the first examination named counts: a list of many would hit by its length.
    asked = read([action.target])[:1]
    whole = {*read(case.reference_examinations), *told.examinations()}
    whole |= set(read(result.examination for result in case.record.results))
    return TurnResult(
        stop,
        action.target,
        hit=_any(asked, whole),
        hit_remaining=_any(asked, told.examinations(stop)),
        repeat=_any(asked, told.examinations(0, stop)),
    )


async def _act(case: EvaluationCase, player: Player, told: Trajectory, stop: int, *, diagnose: bool) -> Action | None:
    """The player's action at this point; None if it is none. A rule that knows the world sees it replayed."""
    env = case.environment()
    speaker = player.seat(case.id, env.world)
    if isinstance(speaker, Policy | Panel):
        said = await _answer(speaker, prompt(told, stop, speaker.codec, diagnose=diagnose), diagnose)
    else:
        await _replay(env, told, stop)
        said = await speaker.say(told.inquiry, exchanges(told, stop, speaker.codec), force_final=diagnose)
    return _parsed(speaker, said)


async def _replay(env: ConsultationEnv, told: Trajectory, stop: int) -> None:
    await env.reset()
    for step in told.steps[:stop]:
        await env.step(step.action)


async def _answer(speaker: Policy | Panel, messages: list[Message], diagnose: bool) -> Completion:
    if isinstance(speaker, Panel):
        return await speaker.answer(messages, force_final=diagnose)
    form = speaker.codec.response_format(force_final=diagnose)
    return await speaker.client.complete(messages, sampling=speaker.sampling, response_format=form)


def _parsed(speaker: Speaker, said: Completion) -> Action | None:
    try:
        return speaker.parse(said.text)
    except MalformedAction:
        return None


def _any(asked: Sequence[str], valid: Sequence[str] | set[str]) -> bool:
    return any(related(item, other) for item in asked for other in valid)


def _counts(result: SingleTurnResult) -> tuple[float, ...]:
    turns = result.turns
    return (
        len(turns),
        sum(turn.hit for turn in turns),
        sum(turn.hit_remaining for turn in turns),
        sum(turn.hit and not turn.repeat for turn in turns),
        sum(turn.malformed for turn in turns),
        sum(turn.diagnosed for turn in turns),
        float(result.correct),
    )


def _ratio_ci(counts: Array, seed: int) -> tuple[float, float] | None:
    def ratio(sample: Array) -> Array:
        hits, turns = np.moveaxis(sample.sum(axis=-2), -1, 0)
        return np.asarray(hits / np.maximum(turns, 1))[..., None]

    return bootstrap_ci(counts, statistic=ratio, seed=seed) if counts[:, 1].sum() else None
