"""Episodes as the tensors that TRL's GRPO loss reads, and the numbers that are watched while a policy learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from agents import episodes as read
from agents.types import ActionKind, Episode
from training.methods.pipeline import Batch
from training.trainers.speaker import Trace


def tensors(traces: Sequence[Trace], batch: Batch, pad: int) -> dict[str, torch.Tensor]:
    """prompt_ids (E, P) padded left, completion_ids (E, T) padded right; `tool_mask` 1 where the policy sampled.

    The prompt is what stands before the first sampled token; all later words of the environment are part of the
    completion with tool_mask 0, so that they carry no loss. An episode that was left out has tool_mask 0 throughout:
    kept in the mask it would make the step smaller. `sampled` (E, T) are the server's log-probs.
    """
    first = [trace.mask.index(1) if 1 in trace.mask else len(trace.ids) - 1 for trace in traces]
    prompts = [trace.ids[:n] for trace, n in zip(traces, first, strict=True)]
    told = [trace.ids[n:] for trace, n in zip(traces, first, strict=True)]
    longest = max(map(len, told))
    advantages = np.zeros((len(traces), longest))
    sampled, mask = np.zeros((len(traces), longest)), np.zeros((len(traces), longest), dtype=int)
    for e, (trace, n) in enumerate(zip(traces, first, strict=True)):
        own = np.flatnonzero(np.array(trace.mask[n:]))
        if len(own) != len(batch.tokens[e]):
            raise ValueError(f"episode {e}: {len(own)} sampled tokens and {len(batch.tokens[e])} advantages")
        advantages[e, own] = batch.tokens[e]
        sampled[e, own] = np.array(trace.logprobs[n:])[own]
        mask[e, own] = int(batch.kept[e])
    return {
        "prompt_ids": _padded(prompts, pad, left=True),
        "prompt_mask": _padded([[1] * len(p) for p in prompts], 0, left=True),
        "completion_ids": _padded(told, pad),
        "completion_mask": _padded([[1] * len(c) for c in told], 0),
        "tool_mask": torch.from_numpy(mask),
        "advantages": torch.from_numpy(advantages).float(),
        "sampled": torch.from_numpy(sampled).float(),
    }


def watched(episodes: Sequence[Episode], batch: Batch, judge_failures: int) -> dict[str, float]:
    """Reward and its parts over scored episodes, and what tells a policy that collapses from one that learns."""
    scored = [episode.reward for episode in episodes if episode.reward]
    actions = [turn.action for episode in episodes for turn in episode.turns if turn.action]
    said = sum(read.utterances(episode) for episode in episodes)
    lengths = [sum(len(t.tokens.ids) for t in episode.turns if t.tokens) for episode in episodes]
    found = {
        "turns": float(np.mean([episode.agent_turns for episode in episodes])),
        "length": float(np.mean(lengths)),
        "exam_rate": float(np.mean([a.kind is ActionKind.EXAMINE for a in actions])) if actions else 0.0,
        "malformed": sum(map(read.malformed_turns, episodes)) / said if said else 1.0,
        "unscored": float(batch.log["unscored"]),
        "dropped": float(len(episodes) - batch.log["kept"]),
        "judge_failures": float(judge_failures),
        "zero_variance_groups": batch.log["no_signal"] / batch.log["groups"],
        "sampled_tokens": float(sum(lengths)),
    }
    if scored:
        found["reward"] = float(np.mean([reward["total"] for reward in scored]))
        for name in scored[0]["weights"]:
            told = [reward["parts"][name] for reward in scored if name in reward["parts"]]
            if told:
                found[f"reward_{name}"] = float(np.mean(told))
    return found


def collapsed(lines: Sequence[dict[str, Any]], *, patience: int, malformed: float, entropy: float) -> str | None:
    """Why the policy is lost, judged by its last `patience` steps; None while it is not."""
    recent = lines[-patience:]
    if len(recent) < patience:
        return None
    if all(line.get("malformed", 0.0) > malformed for line in recent):
        return f"more than {malformed:.0%} of its answers were malformed for {patience} steps"
    if all(line.get("entropy", 1.0) < entropy for line in recent):
        return f"its entropy was below {entropy} nats for {patience} steps"
    began = lines[0].get("exam_rate", 0.0)
    if began > 0 and all(line.get("exam_rate", began) == 0 for line in recent):
        return f"it ordered no examination for {patience} steps"
    return None


def _padded(rows: Sequence[Sequence[int]], value: int, *, left: bool = False) -> torch.Tensor:
    longest = max(map(len, rows))
    out = torch.full((len(rows), longest), value)
    for n, row in enumerate(rows):
        at = longest - len(row) if left else 0
        out[n, at : at + len(row)] = torch.tensor(row, dtype=torch.long)
    return out
