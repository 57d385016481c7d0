"""Batches of preference pairs and single verdicts in which only the assistant's tokens count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference


@dataclass
class PairsOfAssistant(DataCollatorForPreference):
    """TRL counts every token after the prompt; two whole consultations hold the patient's words too."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """As TRL's, `completion_mask` (2B, T) without what the environment said: chosen first, then rejected."""
        batch: dict[str, Any] = super().torch_call(examples)
        mask = torch.zeros_like(batch["completion_mask"])
        rows = [(one, side) for side in ("chosen", "rejected") for one in examples]
        for n, (one, side) in enumerate(rows):
            first = len(one["prompt_ids"])
            mask[n, first : first + len(one[f"{side}_kept"])] = torch.tensor(one[f"{side}_kept"])
        return {**batch, "completion_mask": mask}


class Prepared:
    """Mixed into a trainer of TRL whose data set is token ids already."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset
