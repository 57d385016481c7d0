"""Drift is seen where it is, and nowhere else: a planted change raises its own alarm once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from clinic.models import Feedback
from tests.clinic import factories as make
from tests.training.drift.factories import consult
from training import drift
from training.drift.reading import age_band, held
from training.models import Alarm

pytestmark = pytest.mark.django_db
STEADY = ({"age_years": 30.0, "sex": "female"}, {"age_years": 70.0, "sex": "male", "complaint": "Chest pain"})


@pytest.fixture
def endpoint():
    return make.make_serving_agent()


def weeks(endpoint, before: dict, now: dict, *, n: int = 40) -> None:
    """As many consultations in the reference window as now; both of the same two kinds of people."""
    for days, what in ((60, before), (10, now)):
        for number in range(n):
            each = {name: value(number) if callable(value) else value for name, value in what.items()}
            consult(days + number / n, endpoint=endpoint, **{**STEADY[number % 2], **each})


def alarms(site=None) -> dict[str, str]:
    drift.watch(site or make.default_site())
    return {alarm.kind: alarm.message for alarm in Alarm.objects.all()}


def test_nothing_changed_raises_nothing(endpoint):
    same = {"feedback": ("accepted",), "turns": lambda n: 3 + n % 2}
    weeks(endpoint, same, same)
    assert alarms() == {}
    seen = drift.look(make.default_site())
    assert seen.read == 80
    (one,) = seen.versions
    assert one.consultations == 40
    assert not any(found.too_few for found in seen.mixes)
    assert {f.name: f.now for f in one.found} == pytest.approx(
        {"deferred": 0, "overridden": 0, "malformed": 0, "turns": 3.5, "right": 1, "brier": 0.04}
    )
    assert one.ece == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("kind", "before", "now", "words"),
    [
        ("deferred", {}, {"last": lambda n: "defer" if n % 2 else "diagnose"}, "50%, and 0% before (40 and 40"),
        ("overridden", {"feedback": ("accepted",)}, {"feedback": ("replaced",)}, "100%, and 0% before"),
        ("malformed", {}, {"malformed": lambda n: n % 2}, "14%, and 0% before (140 and 120"),
        ("turns", {"turns": lambda n: 3 + n % 2}, {"turns": lambda n: 6 + n % 2}, "6.50, and 3.50 before"),
        ("right", {}, {"answer": lambda n: "Pneumonia" if n % 2 else "Pulmonary embolism"}, "50%, and 100% before"),
        ("complaint", {}, {"complaint": "Headache"}, "Complaints changed"),
        ("age", {}, {"age_years": 85.0}, "Ages changed"),
        ("sex", {}, {"sex": "female"}, "Sexes changed"),
    ],
)
def test_a_planted_change_raises_its_own_alarm(endpoint, kind, before, now, words):
    weeks(endpoint, before, now)
    found = alarms()
    assert words in found[f"drift.{kind}"]
    # Where answers are right more seldom, their probabilities err more too; a deferral names nothing.
    allowed = {f"drift.{kind}"} | ({"drift.brier"} if kind == "right" else set())
    assert set(found) <= allowed


def test_less_than_anybody_would_mind_is_no_alarm(endpoint):
    weeks(endpoint, {"turns": 3}, {"turns": lambda n: 3 + (n % 2)}, n=60)
    assert alarms() == {}


def test_with_few_consultations_nothing_is_said(endpoint):
    weeks(endpoint, {}, {"last": "defer", "complaint": "Headache"}, n=20)
    seen = drift.look(make.default_site())
    assert all(found.too_few for found in seen.mixes)
    assert alarms() == {}


def test_seen_again_the_alarm_stays_one_and_other_sites_are_left_alone(endpoint):
    weeks(endpoint, {}, {"complaint": "Headache"})
    there = make.make_site()
    assert alarms(there) == {}
    first = drift.watch(make.default_site())
    assert [alarm.pk for alarm in drift.watch(make.default_site())] == [alarm.pk for alarm in first]
    assert drift.watch_all() == Alarm.objects.count() == 1
    assert Alarm.objects.get().data["n"] == 40


def test_each_version_has_its_own_reference(endpoint):
    for number in range(40):
        consult(60 + number / 40, endpoint=endpoint, **STEADY[number % 2])
    newer = make.make_endpoint(version=make.make_version(status="candidate"))
    for number in range(40):
        consult(10, endpoint=newer, turns=9, **STEADY[number % 2])
    seen = drift.look(make.default_site())
    assert [one.version for one in seen.versions] == [newer.model_version, endpoint.model_version]
    assert all(found.too_few for one in seen.versions for found in one.found)
    assert alarms() == {}


def test_what_one_consultation_says(endpoint, django_assert_max_num_queries):
    row = consult(3, endpoint=endpoint, feedback=("accepted", "replaced", "comment"), malformed=1, probability=0.7)
    consult(3, endpoint=endpoint, last="defer", age_years=None)
    consult(12, endpoint=endpoint, target="Asthma")
    withdrawn = Feedback.objects.get(kind="replaced")
    now = timezone.now()
    with django_assert_max_num_queries(5):
        first, second = sorted(held(row.site, since=now - timedelta(days=7), until=now), key=lambda r: r.deferred)
    assert (first.complaint, first.age, first.turns, first.malformed, first.asked) == ("cough", "40–64", 3, 1, 4)
    assert (first.followed, first.overrode, first.stated, first.right) == (1, 1, 0.7, True)
    assert first.week.weekday() == 0
    assert (second.deferred, second.stated, second.right, second.age) == (True, None, None, "unknown")
    (third,) = held(row.site, since=now - timedelta(days=14), until=now - timedelta(days=7))
    assert (third.stated, third.right) == (None, False), "named without having been ranked, and wrong"
    withdrawn.move_to("withdrawn", by=withdrawn.by)
    (again,) = [one for one in held(row.site, since=now - timedelta(days=7), until=now) if one.id == row.pk]
    assert again.overrode == 0, "an undone step says nothing"


def test_age_bands():
    assert [age_band(age) for age in (0.5, 18, 39.9, 64, 65, 80, None)] == [
        "under 18", "18–39", "18–39", "40–64", "65–79", "80 and over", "unknown",
    ]  # fmt: skip
