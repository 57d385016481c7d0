"""Independent first: the agent is not asked, on no way, before the clinician's own differential stands."""

import pytest
from django.urls import reverse

from clinic.models import Commitment, Feedback, FeedbackKind, Role, TurnRole
from clinic.services import consultations, independent
from clinic.services.errors import Refused
from tests.clinic import factories as make

pytestmark = pytest.mark.django_db
OWN = [
    {"diagnosis": "Pulmonary embolism", "probability": "60", "rests_on": "swollen leg"},
    {"diagnosis": "", "probability": ""},
]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Turns are opened; nobody produces them here."""
    monkeypatch.setattr("clinic.services.dispatch.produce", lambda turn: None)


@pytest.fixture
def held():
    by = make.make_user(independent_first=True)
    make.make_serving_agent()
    return consultations.start(case=make.make_case(site=by.site), by=by)


def spoken(consultation) -> int:
    return consultation.turns.filter(role=TurnRole.AGENT).count()


@pytest.mark.parametrize(
    ("own", "site", "wanted"), [(None, True, True), (None, False, False), (False, True, False), (True, False, True)]
)
def test_the_person_overrules_the_site(own, site, wanted):
    by = make.make_user(site=make.make_site(independent_first=site), independent_first=own)
    assert independent.wanted(by) is wanted


def test_starting_asks_nobody(held):
    assert held.independent_first
    assert spoken(held) == 0


@pytest.mark.parametrize(
    "verb",
    [
        lambda c: consultations.enter_result(consultation=c, by=c.clinician, examination="ECG", text="Sinus rhythm"),
        lambda c: consultations.say(consultation=c, by=c.clinician, text="Any thoughts?"),
        lambda c: consultations.order(consultation=c, by=c.clinician, examination="C-reactive protein"),
    ],
)
def test_no_verb_asks_the_agent_before(held, verb):
    verb(held)
    assert spoken(held) == 0


def test_committing_keeps_it_and_asks(held):
    independent.commit(consultation=held, by=held.clinician, differential=OWN, next_examination="CT")
    kept = Commitment.objects.get()
    assert kept.differential == [
        {"diagnosis": "Pulmonary embolism", "condition": "pe", "probability": 0.6, "rests_on": "swollen leg"}
    ]
    assert spoken(held) == 1
    assert Feedback.objects.filter(kind=FeedbackKind.INDEPENDENT).count() == 1


def test_it_is_committed_once(held):
    independent.commit(consultation=held, by=held.clinician, differential=OWN)
    held.turns.filter(role=TurnRole.AGENT).update(status="complete")
    held.refresh_from_db()
    held.move_to("waiting", by=None)
    with pytest.raises(Refused, match="stays as it is"):
        independent.commit(consultation=held, by=held.clinician, differential=OWN)


@pytest.mark.parametrize(
    "rows",
    [[], [{"diagnosis": " "}], [{"diagnosis": "PE", "probability": "150"}], [{"diagnosis": "PE", "probability": "x"}]],
)
def test_what_is_no_differential_is_refused(held, rows):
    with pytest.raises(Refused):
        independent.commit(consultation=held, by=held.clinician, differential=rows)
    assert spoken(held) == 0
    assert not Commitment.objects.exists()


def test_agreements_come_first_and_each_says_what_it_rests_on(held):
    independent.commit(consultation=held, by=held.clinician, differential=[*OWN, {"diagnosis": "Pneumonia"}])
    action = {
        "differential": [
            {"diagnosis": "Pneumothorax", "probability": 0.2},
            {"diagnosis": "PE", "probability": 0.5, "for": ["leg"]},
        ]
    }
    rows = independent.compare(Commitment.objects.get(), action)
    assert [(row.agreed, row.by_me, row.by_agent) for row in rows] == [
        (True, True, True),
        (False, True, False),
        (False, False, True),
    ]
    assert (rows[0].mine, rows[0].agents, rows[0].rests_on, rows[0].agents_for) == (0.6, 0.5, "swollen leg", ("leg",))


def test_the_page_asks_for_it_and_shows_both_afterwards(client, held):
    client.force_login(held.clinician, backend="clinic.accounts.ClinicBackend")
    page = client.get(reverse("consultation", args=[held.pk])).content.decode()
    assert "Your own differential first" in page
    assert "Second opinion" not in page
    fields = {"diagnosis": ["Pulmonary embolism", ""], "probability": ["60", ""], "rests_on": ["leg", ""]}
    client.post(reverse("consultation_commit", args=[held.pk]), fields)
    held.turns.filter(role=TurnRole.AGENT).update(
        status="complete",
        action={"action": "examine", "target": "ECG", "differential": [{"diagnosis": "GERD", "probability": 0.4}]},
    )
    page = client.get(reverse("consultation", args=[held.pk])).content.decode()
    assert "only you" in page
    assert "only the agent" in page


def test_an_administrator_sets_it_for_the_site(client):
    admin = make.make_user(Role.ADMIN)
    client.force_login(admin, backend="clinic.accounts.ClinicBackend")
    client.post(reverse("independent_first"), {"site": "on"})
    admin.site.refresh_from_db()
    assert admin.site.independent_first
