"""How large each stage is: `cpu` for two cores and hours, `gpu` for one card and minutes, `smoke` for a test.

Measured on two cores: the teacher writes a row in 0.3 s of one, a row has 575 tokens on average (260 to 900), and SFT
reads about 260 tokens a second: `cpu`'s 2,000 rows are 75 minutes, and all its stages most of a day. The learning rate
falls linearly to nothing; `epochs` says how often all rows are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agents.answers import LEAST_FIT, RESAMPLE

LORA: dict[str, Any] = {"method": "lora", "rank": 32, "alpha": 64, "dtype": "float32"}
"""float32: weights in bfloat16 swallow small updates. Rank 32 is 20 MB as it ships, in bfloat16."""


@dataclass(frozen=True)
class Profile:
    """`rows` of the cold start's data, `cold` of them for the short one; `epochs` over them."""

    name: str
    codec: str
    base: str
    """"smollm2", or "tiny" (training.trainers.tiny)."""
    rollouts: str
    """"own": a vLLM for each stage that plays; "local": sampled in the trainer's process."""
    rows: int
    validation: int
    """Rows of the validation split that a look at the loss reads."""
    cold: int
    epochs: float
    sft: dict[str, Any]
    grpo: dict[str, Any]
    patients: int
    """Virtual patients that reinforcement plays."""
    own_turns: int
    """Patients that the agent plays for its calibration."""
    select: int
    test: int
    samples: int
    """k of pass@k."""
    sampled: int
    """Patients of pass@k."""
    play: dict[str, Any] = field(default_factory=dict)


SFT: dict[str, Any] = {
    **LORA, "lr": 1e-3, "schedule": "linear", "warmup": 30, "batch": 4, "micro": 1, "max_length": 3072,
    "checkpoint_every": 20, "keep": 5,
}  # fmt: skip
"""`micro` 1: a row at a time wastes nothing on padding, and is long enough to fill two cores."""
CALIBRATION: dict[str, Any] = {"lr": 3e-4, "warmup": 5}
"""What differs from the SFT it otherwise is: it goes on from an adapter that can speak."""
GRPO: dict[str, Any] = {**LORA, "lr": 1e-4, "warmup": 3, "checkpoint_every": 2, "keep": 3, "temperature": 1.0}
PLAY: dict[str, Any] = {
    "temperature": 0.0, "resample": RESAMPLE, "least_fit": LEAST_FIT, 
    "concurrency": 8, "context": 4096, "max_turns": 12,
}  # fmt: skip

CPU = Profile(
    "cpu", "cards", "smollm2", "own",
    rows=2000, validation=12, cold=500, epochs=1.0, sft={**SFT},
    grpo={**GRPO, "steps": 16, "groups": 4, "group": 4, "micro": 1},
    patients=256, own_turns=200, select=50, test=100, samples=4, sampled=40, play=PLAY,
)  # fmt: skip
GPU = Profile(
    "gpu", "cards", "smollm2", "own",
    rows=24000, validation=64, cold=1000, epochs=2.0, sft={**SFT, "batch": 16, "micro": 8},
    grpo={**GRPO, "steps": 200, "groups": 16, "group": 16, "micro": 32},
    patients=4096, own_turns=2000, select=75, test=100, samples=16, sampled=100, play={**PLAY, "concurrency": 64},
)  # fmt: skip
SMOKE = Profile(
    "smoke", "brief", "tiny", "local",
    rows=6, validation=1, cold=3, epochs=2.0,
    sft={**SFT, "rank": 4, "alpha": 8, "warmup": 0, "batch": 2, "checkpoint_every": 2},
    grpo={**GRPO, "rank": 4, "alpha": 8, "warmup": 0, "steps": 2, "groups": 1, "group": 2, "micro": 2,
          "checkpoint_every": 1, "max_tokens": 120},
    patients=2, own_turns=4, select=2, test=2, samples=2, sampled=2,
    play={**PLAY, "concurrency": 2, "max_turns": 4, "max_tokens": 120},
)  # fmt: skip
BY_NAME = {profile.name: profile for profile in (CPU, GPU, SMOKE)}
