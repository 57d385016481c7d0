"""Published DiagBench numbers, as reported, to be shown beside ours and never mixed with them.

Two sets exist. v1: the project's README (single-turn n = 942, end-to-end about 946; F1 of the mean precision and
recall). v2: the revised paper, arXiv 2510.24654 (750 physician-validated MIMIC cases and three other centres; F1 is
the mean over cases, missing answers wrong). All numbers are percent but `turns`; judges were GPT-4o.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Version = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True)
class Reported:
    """One published row; `f1` is f1_of_means in v1 and f1_mean_per_case in v2."""

    version: Version
    centre: str
    model: str
    hit: float
    accuracy_single: float
    turns: float
    precision: float
    recall: float
    f1: float
    accuracy: float
    rubric: float | None = None

    @property
    def tag(self) -> str:
        return f"reported {self.version}"

    @property
    def f1_definition(self) -> str:
        return "f1_of_means" if self.version == "v1" else "f1_mean_per_case"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "tag": self.tag, "f1_definition": self.f1_definition}


_V1: tuple[tuple[Any, ...], ...] = (
    ("GPT-4o", 18.46, 70.17, 3.30, 29.02, 14.25, 19.12, 41.44, 18.02),
    ("Claude-4-sonnet", 30.62, 73.25, 3.91, 33.06, 23.41, 27.41, 45.14, 25.84),
    ("Qwen2.5-72B", 17.61, 72.72, 2.47, 32.67, 11.09, 16.56, 32.66, 15.63),
    ("Llama3.3-70B", 18.29, 64.65, 4.25, 26.53, 20.52, 23.14, 36.79, 16.69),
    ("DeepSeek-V3", 19.14, 69.64, 2.49, 32.60, 12.20, 17.75, 46.51, 19.07),
    ("Qwen3-235B", 19.82, 70.81, 3.34, 27.71, 17.40, 21.38, 44.19, 24.49),
    ("GPT-OSS-120B", 16.71, 66.67, 4.08, 25.94, 16.16, 19.92, 43.02, 22.26),
    ("OpenBioLLM-70B", 22.94, 64.01, 2.59, 31.94, 13.75, 19.22, 32.88, 14.11),
    ("Baichuan-M1-14B", 18.50, 77.39, 2.30, 28.82, 10.98, 15.90, 32.35, 17.43),
    ("MedGemma-27B", 27.07, 68.90, 4.10, 32.50, 20.04, 24.80, 42.39, 20.72),
    ("MedAgents", 18.31, 68.26, 2.31, 29.86, 11.21, 16.30, 44.40, 19.49),
    ("MDAgents", 19.24, 71.66, 2.40, 30.12, 11.25, 16.38, 43.55, 21.64),
    ("DiagAgent-7B", 71.12, 85.03, 5.47, 46.08, 47.66, 46.86, 60.78, None),
    ("DiagAgent-8B", 54.61, 81.10, 5.71, 41.58, 44.56, 43.02, 53.85, None),
    ("DiagAgent-14B", 67.54, 86.73, 6.77, 43.87, 52.74, 47.89, 61.63, 32.86),
)
_V2: tuple[tuple[Any, ...], ...] = (
    ("MIMIC-IV", "GPT-4o", 20.21, 72.13, 3.30, 31.08, 14.76, 16.96, 43.20),
    ("MIMIC-IV", "Claude-4-sonnet", 26.40, 76.80, 3.91, 37.10, 25.02, 26.32, 51.47),
    ("MIMIC-IV", "DiagAgent-7B", 72.56, 85.60, 5.45, 46.02, 47.33, 43.90, 61.47),
    ("MIMIC-IV", "DiagAgent-8B", 56.57, 82.27, 5.73, 39.57, 43.13, 38.56, 53.33),
    ("MIMIC-IV", "DiagAgent-14B", 68.49, 87.87, 6.66, 42.04, 52.14, 43.72, 62.67, 32.86),
    ("PMC-OA", "GPT-4o", 51.03, 84.15, 3.04, 37.32, 22.16, 24.20, 48.81),
    ("PMC-OA", "Claude-4-sonnet", 46.12, 84.63, 4.17, 34.70, 30.03, 28.05, 49.13),
    ("PMC-OA", "DiagAgent-14B", 51.98, 88.91, 6.88, 24.33, 46.21, 29.72, 53.88),
    ("MTSamples", "GPT-4o", 49.08, 86.02, 3.13, 41.60, 27.55, 30.34, 47.23),
    ("MTSamples", "Claude-4-sonnet", 43.54, 84.43, 3.54, 43.71, 37.14, 36.59, 57.52),
    ("MTSamples", "DiagAgent-14B", 60.16, 93.67, 6.64, 30.64, 63.24, 39.17, 64.91),
    ("DDXPlus", "GPT-4o", 55.73, 91.55, 3.23, 36.95, 33.68, 31.29, 66.80),
    ("DDXPlus", "Claude-4-sonnet", 46.68, 94.57, 3.28, 36.00, 33.30, 31.78, 76.06),
    ("DDXPlus", "Llama3.3-70B", 70.22, 87.53, 4.00, 36.64, 48.48, 38.67, 63.78),
    ("DDXPlus", "DiagAgent-14B", 86.12, 96.38, 7.07, 24.74, 66.74, 34.36, 76.42),
    ("OOD", "GPT-4o", 52.09, 87.06, 3.12, 38.28, 27.32, 28.08, 54.35),
    ("OOD", "Claude-4-sonnet", 45.65, 87.86, 3.72, 37.39, 32.89, 31.43, 60.12),
    ("OOD", "DiagAgent-14B", 65.30, 92.57, 6.88, 26.05, 57.26, 33.63, 63.84, 50.27),
)
TABLE: tuple[Reported, ...] = (
    *(Reported("v1", "MIMIC-IV", *row) for row in _V1),
    *(Reported("v2", *row) for row in _V2),
)


def rows(*, version: Version | None = None, centre: str | None = None) -> Sequence[Reported]:
    """The published rows of one version and centre, or all."""
    return [row for row in TABLE if version in (None, row.version) and centre in (None, row.centre)]
