"""Evaluations as rows, without playing them."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.clinic.factories import default_site
from tests.training.episodes import IDENTITY, episode
from training.models import EvaluatedEpisode, Evaluation

_numbers = count(1)
OPENING = {"age_years": 54.0, "sex": "female", "complaint": "Cough and fever", "history": {"hpi": "Three days."}}
SUMMARY = {
    "n": 40, "scored": 40, "accuracy": 0.625, "accuracy_over_oracle": 0.8, "f1_mean_per_case": 0.41,
    "f1_of_means": 0.43, "turns": 6.5, "cost": 210.0, "ece": 0.11, "malformed": 0.0,
    "ci": {"accuracy": [0.5, 0.75], "turns": [6.0, 7.0]},
    "reliability": [{"low": 0.6, "high": 0.7, "n": 20, "stated": 0.65, "correct": 0.5}],
    "risk_coverage": [{"coverage": 0.5, "risk": 0.2, "threshold": 0.6}],
    "subgroups": {"sex": [
        {"group": "female", "n": 22, "value": 0.6, "low": 0.4, "high": 0.8, "hidden": False},
        {"group": "other", "n": None, "value": None, "low": None, "high": None, "hidden": True},
    ]},
}  # fmt: skip


def make_evaluation(**fields: Any) -> Evaluation:
    """A finished one on virtual patients; no case is kept yet."""
    number = next(_numbers)
    defaults = {
        "site": fields.get("site") or default_site(),
        "protocol": "end-to-end",
        "case_set": "virtual:test",
        "policy": f"random-{number}",
        "identity": IDENTITY.as_dict(),
        "status": "succeeded",
        "summary": SUMMARY,
        "done": 40,
        "total": 40,
        "folder": f"folder-{number}",
    }
    return Evaluation.objects.create(**{**defaults, **fields})


def make_evaluated(evaluation: Evaluation, **fields: Any) -> EvaluatedEpisode:
    """The next case: one examination, then the right diagnosis."""
    number = evaluation.episodes.count() + 1
    played = episode("Troponin", diagnosis="Pneumonia", case=f"virtual:test:{number:04}")
    defaults = {
        "number": number,
        "case": played.case,
        "opening": OPENING,
        "answer": "Pneumonia",
        "end": "FINISH",
        "diagnosis": "Pneumonia",
        "correct": True,
        "turns": 2,
        "result": {"how": "alias", "examinations": 1, "precision": 1.0, "recall": 0.5, "confidence": 0.9},
        "episode": played.as_dict(),
    }
    return EvaluatedEpisode.objects.create(evaluation=evaluation, **{**defaults, **fields})
