"""Slot S9: the loss, as settings of the trainer."""

from __future__ import annotations

from typing import Any

from training.methods.registry import register


@register("objective", "grpo")
def grpo(
    *, loss_type: str = "dapo", epsilon_low: float = 0.2, epsilon_high: float = 0.2, delta: float = 3.0,
    beta: float = 0.001, learning_rate: float = 1e-6, scale_rewards: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Clipped policy gradient averaged over tokens with a KL term of weight `beta` (system.md 2.7).

    `scale_rewards` stays off: slot S7 has scaled the advantages already.
    """
    return {
        "loss_type": loss_type,
        "epsilon": epsilon_low,
        "epsilon_high": epsilon_high,
        "delta": delta,
        "beta": beta,
        "learning_rate": learning_rate,
        "scale_rewards": scale_rewards,
    }
