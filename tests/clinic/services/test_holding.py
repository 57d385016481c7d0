"""A consultation waits for days, changes hands, and gets its outcome long after it was closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clinic.models import AuditEntry, Consultation, Event, Feedback, Handover, Outcome, User
from clinic.services import consultations, decisions, handovers, outcomes, pauses, undo
from clinic.services.errors import Refused
from tests.clinic.factories import make_site, make_user
from tests.clinic.services.steered import Host, host, reasons, speaks, started

pytestmark = pytest.mark.django_db
__all__ = ["host"]


def visible(user: User) -> bool:
    return Consultation.objects.visible_to(user).exists()


def last_state() -> Any:
    return Event.objects.order_by("-seq")[0].data["state"]


def test_paused_for_days_and_taken_up_again(host: Host) -> None:
    started()
    consultation = speaks(host)
    by, day = consultation.clinician, timezone.localdate() + timedelta(days=3)
    pauses.pause(consultation=consultation, by=by, until=day, note="Culture grows.")
    consultation.refresh_from_db()
    assert (consultation.paused_until, consultation.pause_note, consultation.status) == (
        day,
        "Culture grows.",
        "waiting",
    )
    assert last_state() == "paused"
    for verb in (
        lambda: consultations.order(consultation=consultation, by=by),
        lambda: consultations.say(consultation=consultation, by=by, text="Hello"),
        lambda: undo.undo(consultation=consultation, by=by),
        lambda: decisions.decline(consultation=consultation, by=by, reason_code="too_slow"),
        lambda: pauses.pause(consultation=consultation, by=by),
    ):
        with pytest.raises(Refused, match="paused"):
            verb()
    pauses.resume(consultation=consultation, by=by)
    assert consultations.order(consultation=consultation, by=by).number == 2
    with pytest.raises(Refused):
        pauses.resume(consultation=consultation, by=by)


def test_a_pause_ends_in_the_future(host: Host) -> None:
    started()
    consultation = speaks(host)
    with pytest.raises(Refused, match="must lie ahead"):
        pauses.pause(consultation=consultation, by=consultation.clinician, until=timezone.localdate())


def test_no_pause_while_the_agent_works(host: Host) -> None:
    consultation = started()
    with pytest.raises(Refused, match="stop it first"):
        pauses.pause(consultation=consultation, by=consultation.clinician)


def test_handed_over_it_is_the_receivers_and_the_sender_reads_on(host: Host) -> None:
    started()
    consultation = speaks(host)
    sender, receiver, stranger = consultation.clinician, make_user(), make_user()
    assert not visible(receiver)
    handovers.hand_over(consultation=consultation, by=sender, to=receiver, note="CRP is pending.")
    assert (visible(sender), visible(receiver), visible(stranger)) == (True, True, False)
    assert not Consultation.objects.steerable_by(sender).exists()
    with pytest.raises(Refused, match="holds this consultation"):
        consultations.order(consultation=consultation, by=sender)
    assert consultations.order(consultation=consultation, by=receiver).by == receiver
    given = Handover.objects.get()
    assert (given.sender, given.receiver, given.note) == (sender, receiver, "CRP is pending.")
    assert AuditEntry.objects.get(action="consultation.handed_over").data == {"receiver": receiver.pk}


def test_a_former_reader_is_not_one_of_another_site_or_disabled(host: Host) -> None:
    started()
    consultation = speaks(host)
    sender = consultation.clinician
    handovers.hand_over(consultation=consultation, by=sender, to=make_user())
    sender.site = make_site()
    assert not visible(sender)
    sender.refresh_from_db()
    sender.is_active = False
    assert not visible(sender)


@pytest.mark.parametrize("who", ["annotator", "researcher", "other site", "disabled", "self", "nobody"])
def test_only_colleagues_who_hold_consultations_take_over(host: Host, who: str) -> None:
    started()
    consultation = speaks(host)
    by = consultation.clinician
    to = {
        "annotator": lambda: make_user("annotator"),
        "researcher": lambda: make_user("researcher"),
        "other site": lambda: make_user(site=make_site()),
        "disabled": lambda: make_user(is_active=False),
        "self": lambda: by,
        "nobody": lambda: None,
    }[who]()
    with pytest.raises(Refused, match="colleague of your site"):
        handovers.hand_over(consultation=consultation, by=by, to=to)
    consultation.refresh_from_db()
    assert consultation.clinician == by


def test_a_paused_consultation_can_change_hands(host: Host) -> None:
    started()
    consultation = speaks(host)
    pauses.pause(consultation=consultation, by=consultation.clinician)
    receiver = make_user()
    handovers.hand_over(consultation=consultation, by=consultation.clinician, to=receiver)
    pauses.resume(consultation=consultation, by=receiver)
    consultation.refresh_from_db()
    assert consultation.paused_at is None


def closed(host: Host) -> Consultation:
    started()
    consultation = speaks(host, "diagnose", "Pneumonia")
    why = reasons(consultation)
    consultations.close(consultation=consultation, by=consultation.clinician, diagnosis="Pneumonia", reasons=why)
    consultation.refresh_from_db()
    return consultation


def test_the_outcome_weeks_later_and_better_known_still_later(host: Host) -> None:
    consultation = closed(host)
    by = consultation.clinician
    outcomes.record_outcome(consultation=consultation, by=by, diagnosis="Bronchitis", certainty="probable")
    outcomes.record_outcome(consultation=consultation, by=by, diagnosis="Pulmonary embolism", harm="Delay of a day")
    assert [outcome.diagnosis for outcome in Outcome.objects.all()] == ["Pulmonary embolism", "Bronchitis"]
    assert Outcome.objects.first().condition, "the knowledge has this condition"
    assert Feedback.objects.filter(kind="outcome").count() == 2
    assert last_state() == "outcome"
    entry = AuditEntry.objects.filter(action="consultation.outcome_recorded").last()
    assert entry
    assert "embolism" not in str(entry.data)


def test_only_who_holds_it_records_the_outcome(host: Host) -> None:
    consultation = closed(host)
    for other in (make_user(), make_user("admin")):
        with pytest.raises(Refused, match="holds this consultation"):
            outcomes.record_outcome(consultation=consultation, by=other, diagnosis="Asthma")
    with pytest.raises(Refused, match="Nothing was entered"):
        outcomes.record_outcome(consultation=consultation, by=consultation.clinician, diagnosis=" ")
    assert not Outcome.objects.exists()
