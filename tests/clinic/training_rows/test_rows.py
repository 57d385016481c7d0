"""Rows say what was approved, in the policy's own words and form, and nothing else gets out."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind
from clinic.models import CaseKind, Feedback, ModelOutput, Preference, Role
from clinic.services import approval, feedback
from clinic.training_rows import FORMATS, export
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged
from tests.clinic.training_rows.played import NAMES, ORDERS, RANKED, approved, played, rated, said

pytestmark = pytest.mark.django_db
CODEC = StructuredCodec()
NEW = {"codec": CODEC.name}


def rows(format: str):
    return export(site=make.default_site(), format=format).rows


def action(message) -> Action:
    (only,) = message
    assert only["role"] == "assistant"
    return CODEC.parse(only["content"])


def test_an_accepted_turn_is_learned_as_it_was_written():
    held = played()
    row = said(held, 3, "accepted")
    (found,) = rows("sft")
    assert found["completion"] == [{"role": "assistant", "content": ModelOutput.objects.get(turn__number=3).text}]
    assert [message["role"] for message in found["prompt"]] == ["system", "user", "assistant", "user"]
    assert "Chest X-ray: seen" in found["prompt"][-1]["content"]
    assert "Names the germ" not in json.dumps(found["prompt"]), "nothing of the turn itself, or after it"
    assert found["feedback"] == [str(row.pk)]
    assert found["policy"]["version"] == "dx-spoke"
    assert (found["turn"], found["weight"]) == (3, 1.0)
    (kto,) = rows("kto")
    assert kto["label"] is True
    assert rows("dpo") == []


def test_a_deferral_that_a_rule_made_is_nobodys_lesson():
    held = played()
    held.turns.filter(number=3).update(dropped=["unfit"])
    said(held, 3, "accepted")
    assert rows("sft") == rows("kto") == rows("dpo") == []


def test_a_replaced_examination_is_the_chosen_one_against_what_was_written():
    held = played()
    said(held, 3, "replaced", data={"action": "examine", "how": "ordered", "done": ["D-dimer"]})
    (pair,) = rows("dpo")
    chosen, rejected = action(pair["chosen"]), action(pair["rejected"])
    assert (chosen.kind, chosen.target) == (ActionKind.EXAMINE, "D-dimer")
    assert rejected.target == "Sputum culture"
    assert pair["reason_from"] == "template", "nobody gave a reason, and the row says so"
    (learned,) = rows("sft")
    assert action(learned["completion"]) == chosen
    (kto,) = rows("kto")
    assert kto["label"] is False
    assert action(kto["completion"]).target == "Sputum culture"


def test_turned_down_is_a_no_and_nothing_to_imitate():
    said(played(), 1, "rejected", reason_code="already_known")
    assert [row["label"] for row in rows("kto")] == [False]
    assert rows("sft") == rows("dpo") == []


def test_another_diagnosis_at_closing_comes_first_in_the_corrected_differential():
    held = played()
    said(held, 5, "diagnosis", target="Pulmonary embolism")
    (pair,) = rows("dpo")
    chosen = action(pair["chosen"])
    assert (chosen.kind, chosen.target) == (ActionKind.DIAGNOSE, "Pulmonary embolism")
    assert [(h.diagnosis, h.probability) for h in chosen.differential] == [
        ("Pulmonary embolism", 0.6), ("Pneumonia", 0.2),
    ]  # fmt: skip
    assert chosen.differential[0].group == RANKED[1].group


def test_the_same_diagnosis_at_closing_approves_the_turn():
    said(played(), 5, "diagnosis", target="pneumonia")
    (kto,) = rows("kto")
    assert kto["label"] is True
    assert rows("dpo") == []


def test_a_differential_without_probabilities_cannot_be_written():
    held = played()
    corrected = [{"diagnosis": "Heart failure", "probability": None, "group": "likely"}]
    said(held, 1, "differential", data={"rows": corrected})
    found = export(site=held.site, format="sft")
    assert found.rows == []
    assert found.left_out == {"the correction cannot be written in the policy's form": 1}


def test_a_physicians_first_wrong_turn_approves_what_came_before():
    held = played()
    version = judged.make_rubric()
    rated(
        held, {"ecg": "met"}, version=version, first_wrong_turn=3, correction_kind="examination", correction="D-dimer"
    )
    assert [(row["turn"], row["label"]) for row in rows("kto")] == [(1, True), (3, False)]
    (pair,) = rows("dpo")
    assert action(pair["chosen"]).target == "D-dimer"
    assert pair["rubric_version"] == str(version.pk)
    assert [row["turn"] for row in rows("sft")] == [1, 3]


def test_undone_turns_teach_nothing():
    held = played()
    said(held, 1, "accepted")
    held.turns.filter(number=1).update(retracted_at="2026-01-01T00:00Z")
    assert rows("sft") == []


def test_a_turn_whose_words_are_not_kept_is_left_out_with_its_reason():
    held = played()
    said(held, 3, "accepted")
    ModelOutput.objects.filter(turn__number=1).delete()
    assert export(site=held.site, format="sft").left_out == {"what the agent wrote is not kept": 1}


def preferred(one, other, **choices) -> Feedback:
    item = judged.make_item(consultation=one, other=other)
    annotation = judged.make_annotation(item)
    for dimension, choice in choices.items():
        Preference.objects.create(annotation=annotation, dimension=dimension, choice=choice)
    row = feedback.give(
        kind="preference", consultation=one, by=annotation.annotator, data={"annotation": str(annotation.pk)}
    )
    annotation.feedback = row
    annotation.save()
    return approved(row)


def test_the_preferred_consultation_is_chosen_from_where_the_two_part():
    case = make.make_case()
    one, other = played(case=case), played(ORDERS, NAMES, case=case)
    preferred(one, other, accuracy="second", usefulness="second", language="first")
    (pair,) = rows("dpo")
    assert "Sputum" not in json.dumps(pair["chosen"])
    assert "Sputum" in json.dumps(pair["rejected"])
    assert pair["prompt"][-1]["role"] == "user"
    assert "Chest X-ray: seen" in pair["prompt"][-1]["content"], "both began alike"
    assert pair["dimensions"]["language"] == "first"


def test_no_preference_is_no_pair():
    case = make.make_case()
    preferred(played(case=case), played(ORDERS, NAMES, case=case), accuracy="same", language="same")
    assert export(site=make.default_site(), format="dpo").left_out == {"neither of the two was preferred": 1}


def test_cases_to_play_carry_the_criteria_and_what_physicians_said():
    held, version = played(), judged.make_rubric()
    for verdict in ("met", "met", "not_met"):
        rated(held, {"ecg": verdict, "names": "cannot_tell"}, version=version)
    (found,) = rows("grpo")
    assert found["case"] == held.case.key
    assert [message["role"] for message in found["prompt"]] == ["system", "user"]
    ecg, names, repeats = found["criteria"]
    assert (ecg["points"], ecg["verdicts"]) == (8, 3)
    assert ecg["met_share"] == pytest.approx(2 / 3)
    assert (names["verdicts"], names["met_share"]) == (0, None)
    assert repeats["points"] == -4
    assert len(found["feedback"]) == 3
    assert found["rubric_version"] == str(version.pk)


def _withhold(how: str) -> None:
    fields = {
        "patient": {"kind": CaseKind.PATIENT},
        "credentialed": {"kind": CaseKind.RECORD, "credentialed": True},
        "never_train": {"kind": CaseKind.RECORD, "extra": {"never_train": True}},
        "held_out": {"key": "virtual:test:0001@abc"},
        "deleted": {"kind": CaseKind.RECORD, "deleted_at": "2026-01-01T00:00Z"},
    }
    held = played(case=make.make_case(**fields.get(how, {})))
    if how == "patient":
        held.turns.filter(role="environment").update(source="entered")
    row = feedback.give(
        kind="accepted",
        by=held.clinician,
        consultation=held,
        turn=held.turns.get(number=1),
        consent=how != "no_consent",
    )
    adjudicator = make.make_user(Role.ADJUDICATOR)
    if how != "proposed":
        approval.approve(ids=[row.pk], by=adjudicator)
    if how == "quarantined":
        approval.quarantine(ids=[row.pk], by=adjudicator, reason="Odd")
    if how == "withdrawn":
        row.refresh_from_db()
        feedback.withdraw(feedback=row, by=row.by)


WITHHELD = {
    "proposed": "not approved yet",
    "quarantined": "quarantined",
    "withdrawn": "withdrawn by who gave it",
    "no_consent": "no consent to learn from it",
    "patient": "a real patient's case",
    "credentialed": "a record under a data use agreement",
    "never_train": "its source forbids training",
    "held_out": "a case kept for measuring",
    "deleted": "its case was deleted",
}


@pytest.mark.parametrize("how", WITHHELD)
@pytest.mark.parametrize("format", FORMATS)
def test_what_may_not_be_learned_from_is_counted_and_stays(how, format):
    _withhold(how)
    found = export(site=make.default_site(), format=format)
    assert found.rows == []
    assert found.left_out == {WITHHELD[how]: 1}
    assert found.read == found.used + sum(found.left_out.values()) == 1


def test_another_sites_feedback_is_not_there():
    said(
        played(case=make.make_case(site=make.make_site())),
        1,
        "accepted",
    )
    assert export(site=make.default_site(), format="sft").read == 0


def test_no_annotator_has_more_than_the_cap_of_a_snapshot():
    loud = make.make_user()
    quiet = [make.make_user() for _ in range(3)]
    for giver, times in [(loud, 12), *((one, 2) for one in quiet)]:
        for _ in range(times):
            said(played(ORDERS, NAMES, clinician=giver), 1, "accepted")
    found = export(site=make.default_site(), format="sft")
    assert found.share == Fraction(1, 3)
    assert sum(Fraction(row["weight_exact"]) for row in found.rows) == 9
    free = export(site=make.default_site(), format="sft", cap=Fraction(1))
    assert free.share == Fraction(12, 18), "without the cap"
    assert len(free.rows) == len(found.rows) == 18, "capped, not dropped"


def test_no_person_is_named_in_a_row():
    held = played()
    rated(held, {"ecg": "met"}, first_wrong_turn=3)
    said(held, 1, "accepted")
    for format in FORMATS:
        text = json.dumps(rows(format))
        assert held.clinician.username not in text
