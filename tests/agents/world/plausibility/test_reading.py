"""Results are read in the spellings that worlds and records use."""

import pytest

from agents.world.plausibility.limits import factor, in_catalogue_unit, plausible, possible
from agents.world.plausibility.reading import analyte, asked, read


@pytest.mark.parametrize(
    ("examination", "text", "told"),
    [
        ("CRP", "C-reactive protein: 22.0 mg/L (0-8) HH", ("crp", 22.0, "mg/L", "HH")),
        ("CRP", "22.0 mg/L", ("crp", 22.0, "mg/L", "")),
        ("WBC", "White cell count: 7.3 10*9/L (3.5-10.5)", ("wbc", 7.3, "10*9/L", "")),
        ("Chem", "Sodium: Value: 138; Numeric Value: 138.0; Units: mEq/L", ("sodium", 138.0, "mEq/L", "")),
        ("INR", "INR: 1.10 (0.8-1.2)", ("inr", 1.1, "", "")),
        ("Peak flow", "Peak expiratory flow: 61 % predicted (80-120) L", ("peak_flow", 61, "% predicted", "L")),
        ("Vitals", "Temp 37.1°C", ("temperature", 37.1, "°C", "")),
        ("D-dimer", "<0.27 ug/mL", ("d_dimer", 0.27, "ug/mL", "")),
    ],
)
def test_one_number(examination, text, told):
    (found,) = read(examination, text).quantities
    assert (found.exam, found.value, found.unit, found.flag) == told


def test_pressure_is_two_numbers():
    systolic, diastolic = read("Blood pressure", "125/80 mmHg").quantities
    assert (systolic.exam, systolic.value, diastolic.exam, diastolic.value) == ("systolic_bp", 125, "diastolic_bp", 80)


def test_sentences_stand_under_their_part():
    reading = read("Physical examination", "Physical examination:\nNeurological examination: Neck supple. No ptosis.")
    assert reading.sentences == (
        ("Neurological examination", "Neck supple."),
        ("Neurological examination", "No ptosis."),
    )
    assert set(reading.facts.values()) == {False}


def test_a_report_is_known_by_its_wording():
    text = "Chest X-ray: Impression: No acute cardiopulmonary abnormality."
    assert read("Chest X-ray", text).facts == {"chest_xray": "normal"}


def test_units_convert_to_the_catalogue():
    (quantity,) = read("Creatinine", "Creatinine: 88.4 umol/L").quantities
    assert in_catalogue_unit(quantity) == pytest.approx(1.0)
    known = analyte("sodium")
    assert known is not None
    assert (factor(known, "mEq/L"), factor(known, "mg/dL")) == (1.0, None)


def test_intervals_contain_each_other():
    for exam in ("sodium", "crp", "spo2", "ph"):
        assert possible(exam)[0] <= plausible(exam)[0] < plausible(exam)[1] <= possible(exam)[1]
    entry = asked("FBC")
    assert entry is not None
    assert entry.id == "cbc"


def test_a_report_with_numbers_inside_stays_a_report():
    assert read("Lumbar puncture", "Neutrophils 900, low glucose, raised protein.").quantities == ()
    found = read("Bloods", "Hb 13.2 g/dL, platelets 250").quantities
    assert [(one.exam, one.value) for one in found] == [("hb", 13.2), ("plt", 250)]
