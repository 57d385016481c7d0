"""The stages of the default agent in their order: data, imitation, reinforcement in four arms, calibration, figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from clinic.local import shipped
from training.default import learning, measuring
from training.default.chain import ChainError, Stage, Work
from training.default.ground import Ground
from training.default.measuring import Playing
from training.default.profiles import CALIBRATION, Profile

BASE = "base"
COLD = learning.COLD
ARMS = {
    "rl-diagnosis": "ablation-diagnosis",
    "rl-both": "ablation-both",
    "rl-information": "ablation-information",
    "rl-random": "ablation-random",
}
"""Stage and recipe; the last is the control arm, which nothing is made from."""
CONTROL = "rl-random"
BARE = "cold-start-brief"
"""The cold start with nothing looked up: the same patients in the codec without cards."""
ROWS = (BASE, "full-sft", BARE, COLD, *ARMS, "calibrated")
"""Of the table, in its order."""
CODECS = {BASE: "structured", BARE: "brief"}
"""Of rows that speak otherwise than the rest: the bare base in structured output, as it is served."""
CANDIDATES = ("full-sft", *(name for name in ARMS if name != CONTROL))
"""What calibration may go on from, unless somebody says otherwise."""
COMPARED = (COLD, "rl-both")
"""Before and after reinforcement, in pass@k."""


def stages(
    profile: Profile, ground: Ground, *, adopted: Path | None = None, candidates: Sequence[str] = CANDIDATES
) -> list[Stage]:
    """Every stage with its settings, of which the base weights and the codec are a part.

    `adopted` is a shipped adapter that stands in for the cold start of our own; `candidates` are what calibration may
    go on from. Raises ChainError for a candidate that is none.
    """
    known = (COLD, *CANDIDATES)
    if unknown := [name for name in candidates if name not in known]:
        raise ChainError(f"Calibration cannot go on from {', '.join(unknown)}; it can from {', '.join(known)}.")
    common = {"base": ground.described["content"], "codec": ground.codec}

    def stage(name: str, after: tuple[str, ...], make: Callable[..., None], **settings: Any) -> Stage:
        return Stage(name, after, make, {**common, **settings})

    sft = {"trainer": profile.sft, "epochs": profile.epochs, "validation": profile.validation}
    calibration = {**sft, "trainer": {**profile.sft, **CALIBRATION}}
    grpo = {"trainer": profile.grpo, "patients": profile.patients}
    playing: Mapping[str, Any] = {"play": profile.play}
    found = [
        stage("data", (), partial(learning.draw, ground=ground), rows=profile.rows),
        stage("full-sft", ("data",), partial(learning.imitate, ground=ground), **sft),
    ]
    if adopted is None:
        found.append(stage(COLD, ("data",), partial(learning.imitate, ground=ground, most=profile.cold), **sft))
    else:
        told = shipped.shipped(adopted) or {}  # without one the stage itself refuses
        make = partial(learning.adopt, ground=ground, adapter=adopted)
        found.append(stage(COLD, (), make, adopted=told.get("content")))
    bare = replace(ground, codec=CODECS[BARE])
    few = profile.cold + profile.cold // 20  # some are held back for validation
    found += [
        stage("data-brief", (), partial(learning.draw, ground=bare), rows=few, spoken=bare.codec),
        stage(BARE, ("data-brief",), partial(learning.imitate, ground=bare, most=profile.cold), **sft),
    ]
    for name, recipe in ARMS.items():
        make = partial(learning.reinforce, ground=ground, recipe=recipe, start=COLD)
        found.append(stage(name, (COLD,), make, **grpo, recipe=recipe))
    found += [
        stage("select", tuple(candidates), partial(_select, ground=ground), **playing, cases=profile.select),
        stage(
            "own-turns", ("select",), partial(measuring.own_turns, ground=ground), **playing, cases=profile.own_turns
        ),
        stage("calibrated", ("own-turns", "select"), partial(_calibrate, ground=ground), **calibration),
    ]
    for row in ROWS:
        after = () if row == BASE else (row,)
        make = partial(_evaluate, ground=ground, row=row)
        found.append(stage(evaluation_of(row), after, make, **playing, cases=profile.test))
    sampling = {"cases": profile.sampled, "samples": profile.samples}
    found.append(stage("pass-at-k", COMPARED, partial(_pass_at_k, ground=ground), **playing, **sampling))
    return found


def evaluation_of(row: str) -> str:
    """The stage that plays a row on the test split."""
    return f"evaluate-{row}"


def _playing(work: Work, row: str, ground: Ground) -> Playing:
    adapter = None if row == BASE else work.before[row] / "adapter"
    return Playing(row, adapter, CODECS.get(row, ground.codec))


def _evaluate(work: Work, *, ground: Ground, row: str) -> None:
    measuring.evaluate(work, ground, _playing(work, row, ground))


def _select(work: Work, *, ground: Ground) -> None:
    measuring.select(work, ground, [_playing(work, row, ground) for row in work.stage.after])


def _calibrate(work: Work, *, ground: Ground) -> None:
    chosen = work.folder.parent / measuring.selected(work.before["select"])
    learning.calibrate(work, ground, chosen=chosen)


def _pass_at_k(work: Work, *, ground: Ground) -> None:
    measuring.pass_at_k(work, ground, [_playing(work, row, ground) for row in COMPARED])
