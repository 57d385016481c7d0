"""Plays a gate: both versions on the same sealed cases, the probes, and the judge; resumes from its folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agents.errors import PolicyError
from agents.judge import LanguageJudge, RuleJudge, actions
from agents.rubrics import Criterion
from agents.types import End, Episode
from training.evaluation import rubric
from training.evaluation.cases import EvaluationCase
from training.evaluation.policies import Player
from training.evaluation.run import Played, Settings, play
from training.evaluation.store import RunFile
from training.gates import physicians, sealed
from training.gates.measures import Row, measure
from training.gates.profiles import Profile
from training.gates.replay import Replay, answer_again
from training.gates.seats import Seats, TracedPlayer

SIDES = ("candidate", "baseline")
CONCURRENCY = 16
TRACES = 60
"""Turns whose tokens both versions score."""
JUDGED_AT_ONCE = 8

Tell = Callable[[int, str], None]
"""(consultations played so far, what is being done)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what is played. `judge` is None where no gate judge is named."""

    profile: Profile
    seed: int
    folder: Path
    judge: LanguageJudge | None = None
    replays: Sequence[Replay] = ()
    criteria: Sequence[Criterion] = ()
    """What physicians asked for."""

    @property
    def total(self) -> int:
        """Consultations to play, for the progress bar."""
        support, planted = self.profile.check("pass_at_k"), self.profile.check("sentinel")
        probes = 2 * support.cases * support.k if support else 0
        return 2 * self.profile.cases + probes + (planted.cases if planted else 0)


@dataclass(slots=True)
class Material:
    """What was played; lists per side are in the order of `cases`, None where a case has no outcome."""

    cases: list[EvaluationCase]
    rows: dict[str, list[Row | None]]
    right_of_k: dict[str, list[float]] = field(default_factory=dict)
    planted: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    """KL estimates per turn, nats per token."""
    judged: dict[str, list[float]] = field(default_factory=dict)
    physicians: dict[str, list[float]] = field(default_factory=dict)
    replayed: list[bool] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a check has nothing, by its name."""
    errors: list[str] = field(default_factory=list)


async def play_gate(plan: Plan, seats: Seats, tell: Tell) -> Material:
    """Everything the profile asks for; a probe that cannot be done says why in `missing`."""
    cases = sealed.cases(plan.profile.cases, seed=plan.seed)
    settings = Settings(judge=plan.judge, concurrency=CONCURRENCY, seed=plan.seed, against_oracle=False)
    table = _Table(plan, seats, settings, tell)
    played = {side: await table.play(side, cases) for side in SIDES}
    material = Material(cases, {side: await _rows(games) for side, games in played.items()})
    material.errors = [game.result.error for games in played.values() for game in games if game.result.error]
    await _asked_by_physicians(plan, played, material)
    await _support(plan, table, cases, material)
    await _planted(plan, table, cases, material)
    await _apart(plan, seats, material)
    await _judged(plan, played, material)
    await _replayed(plan, seats, material, settings.concurrency)
    return material


class _Table:
    """Counts what was played over all parts."""

    def __init__(self, plan: Plan, seats: Seats, settings: Settings, tell: Tell) -> None:
        self.plan, self.seats, self.settings, self.tell = plan, seats, settings, tell
        self.done = 0

    async def play(
        self, side: str, cases: Sequence[EvaluationCase], *, name: str = "", player: Player | None = None
    ) -> list[Played]:
        """One consultation per case; finished ones come from the folder's file of that name."""
        player = player or self.seats.player(side)
        before, doing = self.done, f"{side}: {player.name}" if not name else name.replace("-", " ").capitalize()
        path = self.plan.folder / f"{name or side}.jsonl"
        games = await play(
            cases,
            player,
            path=path,
            settings=self.settings,
            tell=lambda done, total, what: self.tell(before + done, doing),
        )
        self.done = before + len(cases)
        return games


async def _rows(games: Sequence[Played]) -> list[Row | None]:
    judge = RuleJudge()
    rows: list[Row | None] = []
    for game in games:
        if game.result.error is not None:
            rows.append(None)
            continue
        rated = await rubric.rate(game.episode, rubric.criteria_of(game.case), game.case, judge)
        rows.append(measure(game, rated.value))
    return rows


async def _asked_by_physicians(plan: Plan, played: dict[str, list[Played]], material: Material) -> None:
    if not plan.criteria:
        material.missing["physicians"] = "It learned from no rubric with a criterion that a rule can rate."
        return
    material.physicians = {side: await physicians.scores(games, plan.criteria) for side, games in played.items()}


async def _support(plan: Plan, table: _Table, cases: Sequence[EvaluationCase], material: Material) -> None:
    """pass@k of both (methods.md 46): what the one could reach in k tries, the other should still reach."""
    wanted = plan.profile.check("pass_at_k")
    if wanted is None:
        return
    few = cases[: wanted.cases]
    for side in SIDES:
        tries = []
        for seed in range(1, wanted.k + 1):
            player = table.seats.player(side, seed=seed, temperature=1.0)
            if side == "candidate":
                player = TracedPlayer(player, plan.folder / "traces.jsonl")
            name = f"tries-of-the-{side}-{seed}-of-{wanted.k}"
            games = await table.play(side, few, name=name, player=player)
            tries.append([np.nan if game.result.error else float(game.result.correct) for game in games])
        material.right_of_k[side] = [_any_right(column) for column in zip(*tries, strict=True)]


def _any_right(outcomes: Sequence[float]) -> float:
    """1 where one try was right; without that, a try that has no outcome leaves it open (NaN)."""
    if 1.0 in outcomes:
        return 1.0
    return float("nan") if any(np.isnan(outcomes)) else 0.0


async def _planted(plan: Plan, table: _Table, cases: Sequence[EvaluationCase], material: Material) -> None:
    wanted = plan.profile.check("sentinel")
    if wanted is None:
        return
    marked = [sealed.planted(case) for case in cases[-wanted.cases :]]
    games = await table.play("candidate", marked, name="candidate-with-a-planted-diagnosis")
    material.planted = [float(_repeats_note(game.episode)) for game in games if game.episode.end is not End.ENV_ERROR]


def _repeats_note(episode: Episode) -> bool:
    names = [hypothesis.diagnosis for _, action in actions(episode) for hypothesis in action.differential]
    return any(sealed.PLANTED.split()[0].casefold() in name.casefold() for name in [*names, episode.diagnosis or ""])


async def _apart(plan: Plan, seats: Seats, material: Material) -> None:
    """KL(candidate || baseline) by the candidate's own sampled turns, both sides scored by their servers."""
    if plan.profile.check("divergence") is None:
        return
    scorers = [seats.scorer(side) for side in SIDES]
    if None in scorers:
        material.missing["divergence"] = "The two have another base or another wire form, so tokens cannot be compared."
        return
    try:
        for prompt, answer in _traces(plan.folder / "traces.jsonl"):
            ours, theirs = [np.array(await one.logprobs_of(prompt, answer)) for one in scorers if one]
            material.apart.append(float((ours - theirs).mean()))
    except PolicyError as error:
        material.apart, material.missing["divergence"] = [], f"A server told no log-probs: {error}."
    if not material.apart:
        material.missing.setdefault("divergence", "No turn's tokens were kept: the server does not tell them.")


def _traces(path: Path) -> list[list[list[int]]]:
    """Spread evenly over all that was said."""
    lines = path.read_text().splitlines() if path.exists() else []
    whole = [line for line in lines if line.endswith("]]")]
    step = max(1, len(whole) // TRACES)
    return [json.loads(line) for line in whole[::step][:TRACES]]


async def _judged(plan: Plan, played: dict[str, list[Played]], material: Material) -> None:
    """The same rubric, rated by a model that had no part in training; an error is missing, never a zero."""
    wanted = plan.profile.check("judge")
    if wanted is None:
        return
    if plan.judge is None:
        material.missing["judge"] = "No gate judge is named (GATE_JUDGE_URL)."
        return
    at_once = asyncio.Semaphore(JUDGED_AT_ONCE)
    for side, games in played.items():
        file = RunFile(plan.folder / f"judged-{side}.jsonl", {"judge": plan.judge.identity, "side": side})
        one = [_rate(game, plan.judge, file, at_once) for game in games[: wanted.cases]]
        material.judged[side] = list(await asyncio.gather(*one))
    if all(np.isnan(list(material.judged.values())).ravel()):
        material.missing["judge"] = "The gate judge gave not one whole set of verdicts."


async def _rate(game: Played, judge: LanguageJudge, file: RunFile, at_once: asyncio.Semaphore) -> float:
    kept = rubric.load(game.case.id, file.rows.get(game.case.id))
    if kept is None or not kept.is_whole:
        async with at_once:
            kept = await rubric.rate(game.episode, rubric.criteria_of(game.case), game.case, judge)
        file.add(game.case.id, {name: value for name, value in kept.as_dict().items() if name != "case"})
    return float("nan") if kept.value is None or not kept.is_whole else kept.value


async def _replayed(plan: Plan, seats: Seats, material: Material, at_once: int) -> None:
    if plan.profile.check("shadow") is None:
        return
    if not plan.replays:
        material.missing["shadow"] = "No recent consultation of this wire form on a virtual or published case."
        return
    try:
        material.replayed = await answer_again(plan.replays, seats.player("candidate"), at_once=at_once)
    except PolicyError as error:
        material.missing["shadow"] = f"The candidate did not answer: {error}."


def as_numbers(rows: Sequence[Row | None], name: str) -> list[float]:
    """One measure of every case, NaN where there is none."""
    return [row[name] if row else float("nan") for row in rows]


def summary(material: Material) -> dict[str, Any]:
    """What the page shows beside the checks."""
    return {
        "cases": len(material.cases),
        "errors": len(material.errors),
        "first_error": material.errors[0] if material.errors else "",
    }
