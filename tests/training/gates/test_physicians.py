"""Physicians' criteria are rated on sealed patients as a rule can; who learned from none has no such check."""

import asyncio
from math import isnan
from types import SimpleNamespace

import pytest

from agents.rubrics import Criterion
from tests.clinic.annotation.factories import make_rubric
from tests.clinic.factories import default_site, make_version
from tests.training.episodes import episode
from tests.training.gates.factories import make_candidate
from training.gates import physicians
from training.models import Run, Snapshot

CRITERIA = (
    {"key": "ecg", "text": "Orders an electrocardiogram", "points": 6, "axis": "safety", "rule": {"examined": ["ECG"]}},
    {"key": "kind", "text": "Is kind", "points": 4, "axis": "communication"},
    {"key": "short", "text": "Takes more than two actions", "points": -3, "axis": "economy",
     "rule": {"turns_at_most": 2}},
)  # fmt: skip


@pytest.mark.django_db
def test_criteria_are_those_of_the_snapshots_rubrics_that_a_rule_can_rate():
    rubric, candidate = make_rubric(*CRITERIA), make_candidate()
    assert physicians.criteria_of(candidate) == physicians.criteria_of(make_version(status="candidate")) == []
    manifest = {"rubric_versions": [{"id": str(rubric.pk), "rubric": str(rubric.rubric_id), "number": 1}]}
    snapshot = Snapshot.objects.create(site=default_site(), digest="d", manifest=manifest, folder="d")
    Run.objects.filter(version=candidate).update(snapshot=snapshot)
    found = physicians.criteria_of(candidate)
    assert [(one.text, one.points) for one in found] == [(CRITERIA[n]["text"], CRITERIA[n]["points"]) for n in (0, 2)]
    assert len({one.id for one in found}) == 2


def test_scores_are_per_consultation_and_a_failed_one_has_none():
    criteria = [Criterion("0", "Orders an ECG", 6, rule={"examined": ["ECG"]})]
    played = [
        SimpleNamespace(episode=episode(*names, diagnosis="Pneumonia"), result=SimpleNamespace(error=error))
        for names, error in ((("ECG",), None), (("Troponin",), None), (("ECG",), "the server failed"))
    ]
    met, not_met, failed = asyncio.run(physicians.scores(played, criteria))
    assert (met, not_met) == (1.0, 0.0)
    assert isnan(failed)
