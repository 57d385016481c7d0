"""The agent's own consultations, said again with the oracle's percentages: rows for an SFT of stated confidence.

python -m training.default.calibration PLAYED OUT.jsonl

Distillation of the exact posterior into the stated differential: the agent keeps its actions, reasons and the diseases
that it names, in its order; only the probabilities become what the oracle knew at that moment. On-policy, so that the
percentages are learned where the agent goes, not where the teacher went. PLAYED is a folder of training.default.play.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from agents import episodes
from agents.codecs import by_name
from agents.codecs.base import Codec
from agents.environment import ConsultationEnv
from agents.matching.ontology import ontology
from agents.types import Action, End, Episode, Exchange, Hypothesis
from agents.world.virtual_world import VirtualWorld
from training.default import rows as files

LEAST = 0.01
"""What the wire form can say at least; a disease outside the complaint's posterior has next to no chance."""
EVERY = 20
"""One consultation in so many is kept apart for validation."""


def rows(folder: Path) -> list[dict[str, Any]]:
    """One for each consultation that ended with an action."""
    config = json.loads((folder / "config.json").read_text())
    codec = by_name(config["codec"])
    found = []
    for episode in tqdm(_played(folder), unit="case", desc="asking the oracle", file=sys.stderr):
        told = asyncio.run(calibrated(episode, codec)) if episode.end in (End.FINISH, End.DEFER) else None
        if told:
            split = "validation" if len(found) % EVERY == EVERY - 1 else "train"
            found.append({"id": episode.case, "split": split, **told, "weight": 1.0})
    if found and all(row["split"] == "train" for row in found):
        found[-1]["split"] = "validation" if len(found) > 1 else "train"
    return found


async def calibrated(episode: Episode, codec: Codec) -> dict[str, Any] | None:
    """{"prompt", "completion"} of a consultation in the codec's words; None where a malformed answer stands in it.

    The virtual patient answers as it did then; raises agents.world.virtual.UnknownCase for no virtual patient.
    """
    if any(turn.role == "agent" and turn.action is None for turn in episode.turns):
        return None
    world = VirtualWorld(episode.case)
    env = ConsultationEnv(world, world.record)
    inquiry = await env.reset()
    exchanges: list[Exchange] = []
    said = ""
    for action in (turn.action for turn in episode.turns if turn.action):
        said = codec.encode(stated(action, dict(world.belief().ranked())))
        result = await env.step(action)
        if not result.done:
            exchanges.append(Exchange(said, codec.reply(result.observations)))
    messages = [message.as_dict() for message in codec.messages(inquiry, exchanges)]
    return {"prompt": messages[:2], "completion": [*messages[2:], {"role": "assistant", "content": said}]}


def stated(action: Action, posterior: Mapping[str, float]) -> Action:
    """The action with each disease's posterior as its probability; one that is no known condition gets LEAST."""

    def probability(hypothesis: Hypothesis) -> float:
        resolved = ontology().resolve(hypothesis.diagnosis)
        return max(LEAST, posterior.get(resolved.condition, 0.0)) if resolved else LEAST

    told = tuple(replace(hypothesis, probability=probability(hypothesis)) for hypothesis in action.differential)
    return replace(action, differential=told)


def _played(folder: Path) -> list[Episode]:
    """In the order they were first finished; the newest line of a case counts."""
    lines = files.read(folder / "sample-0" / "episodes.jsonl")
    newest = {line["case"]: line["episode"] for line in lines if "episode" in line}
    return [episodes.load(told) for told in newest.values()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("played", type=Path)
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    found = rows(told.played)
    if not found:
        print("No consultation of the agent ended well enough to learn from.", file=sys.stderr)  # noqa: T201
        return 1
    files.write(told.out, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
