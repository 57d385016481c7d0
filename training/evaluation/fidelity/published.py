"""The published world models' numbers, as reported, to stand beside ours and never to be mixed with them.

From arXiv 2510.24654 (tables 1 and 2): 863 MIMIC-IV cases, judge GPT-4o, BioLORD embeddings, A100-80GB. Other data,
another judge, other embeddings than ours: the columns may be read downwards, not across to our rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMES = (
    "devices", "device_seconds", "similarity", "consistency", "bleu", "normalised_error", "variance", "wasserstein",
    "diversity", "frechet",
)  # fmt: skip
_ROWS: dict[str, tuple[float | None, ...]] = {
    "real data": (None, None, None, None, None, None, 5.31, None, 0.427, None),
    "DeepSeek-V3-671B": (16, 62.72, 2.576, 0.8881, 4.37, 0.691, 24.56, 1.336, 0.237, 4.158),
    "Qwen2.5-7B": (1, 0.54, 2.181, 0.8164, 2.54, 0.831, 20.18, 9.680, 0.256, 4.800),
    "Qwen2.5-72B": (4, 18.68, 2.495, 0.9240, 4.43, 0.962, 1.21, 1.839, 0.183, 4.905),
    "MedGemma-27B": (2, 9.10, 2.438, 0.8987, 3.78, 0.767, 18.70, 16.936, 0.341, 4.158),
    "DiagGym-7B": (1, 0.52, 3.565, 0.9690, 45.97, 0.442, 4.65, 0.128, 0.379, 0.747),
}
TAG = "reported"


@dataclass(frozen=True, slots=True)
class Reported:
    """One published row; `values` by the names of our metrics, None where it was not reported."""

    model: str
    values: Mapping[str, float | None]

    @property
    def variance_distance(self) -> float | None:
        """|its variance - that of real data|: what the published tables should have ranked by."""
        own, real = self.values["variance"], _ROWS["real data"][NAMES.index("variance")]
        return None if own is None or real is None or self.model == "real data" else round(abs(own - real), 4)

    def as_dict(self) -> dict[str, Any]:
        return {"world": self.model, "tag": TAG, **self.values, "variance_distance": self.variance_distance}


TABLE: tuple[Reported, ...] = tuple(
    Reported(model, dict(zip(NAMES, values, strict=True))) for model, values in _ROWS.items()
)
