"""What of a rubric a judge may reward: the criteria above the floor as they are judged, else a refusal with reasons."""

from __future__ import annotations

import pytest
from django.urls import reverse

from agents.rubrics import Criterion
from clinic.models import Role
from clinic.services.errors import Refused
from tests.clinic.annotation.factories import make_rubric
from tests.clinic.factories import make_user
from tests.training.judged import CRITERIA, Contrary, make_judged_queue
from training import instrument, judging
from training.rewards_by_judge import criteria_for_reward

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("training.judging.send", lambda run: None)
    monkeypatch.setattr("training.judging.PAUSE", 0.0)
    monkeypatch.setattr("training.instrument.REPEATS", 200)


@pytest.fixture
def version():
    """Thirty consultations that both judged; the judge is wrong about every ECG."""
    queue = make_judged_queue(30, physicians=30)
    run = judging.start(queue=queue, name="rules", by=make_user(Role.ADJUDICATOR))
    judging.execute(run_id=run.pk, judge=Contrary("ecg"))
    return queue.rubric_version


def test_only_what_reaches_the_floor_is_handed_to_training(version):
    found = criteria_for_reward(version)
    assert [one.id for one in found] == ["named", "short"]
    assert all(isinstance(one, Criterion) for one in found)
    assert [(one.points, one.rule) for one in found] == [(row["points"], row["rule"]) for row in CRITERIA[1:]]


def test_of_another_judge_nothing_is_known_and_nothing_handed_out(version):
    with pytest.raises(Refused, match="0 consultations judged by both"):
        criteria_for_reward(version, identity={"kind": "language", "model": "m", "prompt": "p"})


def test_where_none_is_left_it_refuses_with_every_reason():
    rubric = make_rubric(*CRITERIA)
    with pytest.raises(Refused) as refusal:
        criteria_for_reward(rubric)
    for row in CRITERIA:
        assert f"{row['text']}: 0 consultations judged by both; {instrument.SMALLEST} are needed" in str(refusal.value)


def test_the_page_says_what_training_gets(version, client):
    client.force_login(make_user(Role.ADJUDICATOR), backend="clinic.accounts.ClinicBackend")
    page = reverse("training:judge_version", args=[version.pk])
    said = client.get(page).content.decode()
    assert "Training gets 2 of the 3 criteria from this judge" in said
    assert "criteria_for_reward" in said
    version.criteria.first().ratings.model.objects.filter(annotation__origin="person").delete()
    assert "Training gets none of them: it refuses this rubric with this judge." in client.get(page).content.decode()
