"""The monitor finds every planted fault, and lets what the virtual clinic draws pass."""

import random

import pytest

from agents.knowledge.catalogue import catalogue
from agents.knowledge.conditions import knowledge
from agents.world.grammar import Event
from agents.world.plausibility import Code, Severity, check
from agents.world.plausibility.verdict import rejects
from agents.world.virtual import open_case

BMP = (
    "Basic metabolic panel:\nSodium: 138 mmol/L (136-145)\nPotassium: 4.1 mmol/L (3.5-5)\n"
    "Chloride: 102 mmol/L (98-106)\nBicarbonate: 24 mmol/L (22-28)\nUrea nitrogen: 14 mg/dL (7-20)\n"
    "Creatinine: 0.90 mg/dL (0.5-1.1)\n"
    "Glucose: 95 mg/dL (70-140)\nCalcium: 9.2 mg/dL (8.5-10.5)\nAnion gap: 12 mmol/L (6-20)\n"
    "Estimated GFR: 76 mL/min/1.73m2 (60-120)"
)
CBC = (
    "White cell count: 7.4 10*9/L (3.5-10.5)\nHaemoglobin: 13.2 g/dL (12-16)\nHaematocrit: 38.8 % (35-47)\n"
    "Platelets: 258 10*9/L (150-400)\nMean cell volume: 84 fL (80-98)\n"
    "Red cell distribution width: 13.8 % (11.5-14.5)\n"
    "Neutrophils: 63.2 % (40-74)\nLymphocytes: 27.7 % (18-48)\nMonocytes: 7.6 % (2-10)\nEosinophils: 0.8 % (0.3-6)\n"
    "Basophils: 0.7 % (0-1.5)"
)
VITALS = (
    "Body temperature: 36.8 °C (36.1-37.2)\nHeart rate: 72 /min (60-100)\nSystolic blood pressure: 122 mmHg (100-140)\n"
    "Diastolic blood pressure: 78 mmHg (60-90)\nRespiratory rate: 14 /min (12-20)\nOxygen saturation: 98 % (95-100)"
)


def codes(result, examination, severity=Severity.REJECT, **told):
    told = {"age": 60, "sex": "female", "profile_diagnosis": "Pulmonary embolism", **told}
    return {c.code for c in check(result, examination=examination, **told) if c.severity is severity}


@pytest.mark.parametrize(
    ("result", "examination"), [(BMP, "Basic metabolic panel"), (CBC, "CBC"), (VITALS, "Vital signs")]
)
def test_sound_panels_pass(result, examination):
    assert check(result, examination=examination, age=60, sex="female", profile_diagnosis="Pulmonary embolism") == ()


PLANTED = [
    ("", "Sodium", Code.EMPTY),
    ("None", "Sodium", Code.MALFORMED),
    ("Unable to generate examination result.", "Chest X-ray", Code.MALFORMED),
    ("I cannot simulate that.", "Chest X-ray", Code.MALFORMED),
    ("within normal limits", "Sodium", Code.MALFORMED),
    ("Clear lungs. " * 6, "Chest X-ray", Code.MALFORMED),
    ("Clear lungs.\x07", "Chest X-ray", Code.MALFORMED),
    ("x " * 4000, "Chest X-ray", Code.MALFORMED),
    ("Clear lungs.\nExam name:\nCT chest", "Chest X-ray", Code.LABEL),
    ("Clear lungs.<SEP>", "Chest X-ray", Code.LABEL),
    ("Clear lungs. Final Diagnosis: asthma", "Chest X-ray", Code.LABEL),
    ("C-reactive protein: 20.0 mg/L (0-8) H", "Sodium", Code.OTHER),
    ("138 mg/dL", "Sodium", Code.UNIT),
    ("Haemoglobin: 13.2 mmHg", "Haemoglobin", Code.UNIT),
    ("1380 mmol/L", "Sodium", Code.RANGE),
    ("Blood pH: 74.1 pH (7.35-7.45) H", "Blood pH", Code.RANGE),
    ("Sodium: 120 mmol/L (136-145)", "Sodium", Code.FLAG),
    ("Sodium: 140 mmol/L (136-145) HH", "Sodium", Code.FLAG),
    ("Sodium: 150 mmol/L (136-145) L", "Sodium", Code.FLAG),
    ("Sodium: 140 mmol/L (145-136)", "Sodium", Code.FLAG),
    (BMP.replace("Anion gap: 12", "Anion gap: 19"), "Basic metabolic panel", Code.ARITHMETIC),
    (BMP.replace("GFR: 76", "GFR: 118"), "Basic metabolic panel", Code.ARITHMETIC),
    (CBC.replace("63.2", "73.2"), "Complete blood count", Code.ARITHMETIC),
    (CBC.replace("38.8", "46.0"), "Complete blood count", Code.ARITHMETIC),
    (VITALS.replace("78 mmHg", "128 mmHg").replace("(60-90)", ""), "Vital signs", Code.ARITHMETIC),
    (VITALS + "\nMean arterial pressure: 120 mmHg", "Vital signs", Code.ARITHMETIC),
    ("pH: 7.40\npCO2: 40 mmHg\nBicarbonate: 12 mmol/L", "Arterial blood gas", Code.ARITHMETIC),
    ("pCO2: 40 mmHg\npO2: 690 mmHg", "Arterial blood gas", Code.ARITHMETIC),
    ("Albumin: 5.0 g/dL\nTotal protein: 4.1 g/dL", "Liver function tests", Code.ARITHMETIC),
    ("Total bilirubin: 1.0 mg/dL\nDirect bilirubin: 1.9 mg/dL", "Liver function tests", Code.ARITHMETIC),
    ("Sinus tachycardia, typical of pulmonary embolism.", "Electrocardiogram", Code.CONFIRMS),
    ("Looks unwell; this is a PE.", "General examination", Code.CONFIRMS),
    ("Enlarged prostate.", "CT abdomen", Code.PERSON),
    ("Normal testes.", "Scrotal Doppler ultrasound", Code.PERSON),
]


@pytest.mark.parametrize(("result", "examination", "code"), PLANTED)
def test_each_planted_fault_is_refused(result, examination, code):
    assert code in codes(result, examination)


EARLIER: list[tuple[str, str, Event, Code]] = [
    ("Haemoglobin: 7.1 g/dL (12-16) LL", "Haemoglobin", Event("CBC", CBC), Code.REPEAT),
    ("C-reactive protein: 90.0 mg/L (0-8) HH", "CRP", Event("CRP", "3.1 mg/L (0-8)"), Code.REPEAT),
    ("Arterial pO2: 32 mmHg (80-100) LL", "Arterial pO2", Event("Vital signs", VITALS), Code.CONTRADICTION),
    ("Sinus tachycardia.", "ECG", Event("Heart rate", "48 /min (60-100) L"), Code.CONTRADICTION),
    ("Afebrile, comfortable.", "General examination", Event("Body temperature", "39.6 °C"), Code.CONTRADICTION),
]


@pytest.mark.parametrize(("result", "examination", "seen", "code"), EARLIER)
def test_what_was_seen_before_counts(result, examination, seen, code):
    assert code in codes(result, examination, history=(seen,))
    assert code not in codes(result, examination)


def test_a_report_may_not_turn_round():
    chest = catalogue().exams["chest_xray"]
    normal, abnormal = (pattern.reports[0] for pattern in chest.results[:2])
    assert Code.REPEAT in codes(abnormal, chest.name, history=(Event(chest.name, normal),))
    assert Code.REPEAT not in codes(chest.results[0].reports[-1], chest.name, history=(Event(chest.name, normal),))


def test_a_sign_may_not_turn_round():
    sign = next(f for f in knowledge().findings.values() if f.exam == "abdominal_examination")
    exam = "Abdominal examination"
    seen = (Event(exam, f"{sign.denies}."),)
    assert Code.REPEAT in codes(f"{sign.says[0]}.", exam, history=seen)
    assert Code.REPEAT not in codes(f"{sign.denies}.", exam, history=seen)


def test_reports_may_name_what_they_prove():
    said = "Filling defects in both main arteries: pulmonary embolism."
    assert Code.CONFIRMS not in codes(said, "CT pulmonary angiogram")
    assert Code.CONFIRMS not in codes("No sign of pulmonary embolism.", "Electrocardiogram")
    assert codes("Fits Fabry disease.", "ECG", Severity.NOTE, profile_diagnosis="Fabry disease") == {Code.CONFIRMS}


def test_unusual_is_a_note_and_an_unknown_examination_is_read_as_text():
    assert codes("Sodium: 205 mmol/L", "Sodium") == set()
    assert codes("Sodium: 205 mmol/L", "Sodium", Severity.NOTE) == {Code.UNUSUAL}
    assert check("Grade 2 changes.", examination="Quantum renal flow index") == ()


@pytest.mark.parametrize(
    ("result", "examination"),
    [
        ("Value: 138; Numeric Value: 138.0; Units: mEq/L; Reference Range: 133.0 - 145.0", "Sodium"),
        ("Value: 120; Numeric Value: 120.0; Units: mmol/L; Reference Range: 136.0 - 145.0", "Sodium"),
        ("11.2 g/dL (low)", "Haemoglobin"),
        ("125/80 mmHg", "Blood pressure"),
        ("WBC: 7,300/mm3", "White cell count"),
        ("80 umol/L", "Creatinine"),
    ],
)
def test_other_spellings_and_units_pass(result, examination):
    assert not rejects(check(result, examination=examination, age=60, sex="female"))


def test_the_virtual_clinic_is_believed():
    refused, seen = [], 0
    exams = list(catalogue().exams.values())
    for number in range(40):
        case = open_case(f"virtual:validation:{number}")
        patient = case.patient
        able = [exam for exam in exams if exam.possible_for(patient.age, patient.sex)]
        history = []
        for exam in random.Random(number).sample(able, 20):
            text = case.perform(exam.id).observation.text
            about = {"profile_diagnosis": patient.condition.name, "age": patient.age, "sex": patient.sex}
            refused += rejects(check(text, examination=exam.name, history=history, **about))
            history.append(Event(exam.name, text))
            seen += 1
    # Its known blemishes: independent pressures, and one report that names a prostate in anyone.
    assert len(refused) <= 0.005 * seen, refused
