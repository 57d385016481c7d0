"""A result is kept as entered, with the catalogue's unit and range beside it, and never if it cannot be."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from agents.knowledge.catalogue import catalogue
from clinic.models import Case, User
from clinic.possible import is_possible, limits
from clinic.result_rows import Row, displayed, interval, other_unit, read_rows, rows_for, values_of, words_of
from clinic.services.errors import Refused

WOMAN = Case(age_years=54.0, sex="female")
NOBODY = User()
SI, CONVENTIONAL = User(conventional_units=False), User(conventional_units=True)


def value_of(row: Row, case: Case = WOMAN) -> dict[str, object]:
    (value,) = values_of([row], row.name, case)
    return {"value": value.value, "unit": value.unit, "flag": value.flag, "low": value.low, "high": value.high}


def test_a_panel_has_a_row_for_each_number() -> None:
    rows = rows_for("Blood pressure", WOMAN, NOBODY)
    assert [(row.name, row.unit, row.low, row.high) for row in rows] == [
        ("Systolic blood pressure", "mmHg", "100", "140"),
        ("Diastolic blood pressure", "mmHg", "60", "90"),
    ]


def test_outside_the_catalogue_there_is_one_open_row() -> None:
    assert rows_for("Serum rhubarb", WOMAN, NOBODY) == [Row()]
    assert rows_for("Chest X-ray", WOMAN, NOBODY) == [Row()]


@pytest.mark.parametrize(
    ("user", "unit", "low"), [(NOBODY, "mg/dL", "0.5"), (CONVENTIONAL, "mg/dL", "0.5"), (SI, "µmol/L", "44.2")]
)
def test_the_unit_that_is_preferred(user: User, unit: str, low: str) -> None:
    (row,) = rows_for("Creatinine", WOMAN, user)
    assert (row.unit, row.low, row.units) == (unit, low, ["mg/dL", "µmol/L"])


def test_the_range_is_this_patients() -> None:
    child, man = Case(age_years=6.0, sex="male"), Case(age_years=40.0, sex="male")
    hb = catalogue().exams["hb"]
    assert (interval(hb, "g/dL", child), interval(hb, "g/dL", man)) == ((11.0, 14.5), (13.5, 17.5))
    assert interval(hb, "g/L", man) == (135.0, 175.0)


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [("potassium", "45", "mmol/L"), ("temperature", "385", "°C"), ("sodium", "14", "mmol/L"), ("ph", "74", ""),
     ("spo2", "101", "%"), ("hb", "135", "g/dL"), ("glucose", "-1", "mg/dL"), ("creatinine", "96", "mg/dL"),
     ("troponin", "5000000", "ng/mL"), ("wbc", "8500", "×10⁹/L")],
)  # fmt: skip
def test_what_no_person_can_have_is_refused(code: str, value: str, unit: str) -> None:
    name = catalogue().exams[code].name
    with pytest.raises(Refused, match="outside what is physically possible; check the value or the unit") as refusal:
        values_of([Row(code, name, value, unit)], name, WOMAN)
    assert f"{name} {value}" in str(refusal.value)


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [("potassium", "9.8", "mmol/L"), ("temperature", "13.7", "Cel"), ("temperature", "101.2", "F"),
     ("hb", "135", "g/L"), ("creatinine", "96", "µmol/L"), ("wbc", "0.1", "10^9/L"), ("troponin", "400", "ng/L"),
     ("glucose", "62", "mmol/L")],
)  # fmt: skip
def test_the_extreme_patient_can_be_entered(code: str, value: str, unit: str) -> None:
    assert value_of(Row(code, catalogue().exams[code].name, value, unit))["value"] == float(value)


def test_every_reference_range_is_possible() -> None:
    for exam in catalogue().exams.values():
        if exam.analyte:
            low, high = limits(exam)
            assert all(low <= a < b <= high for a, b in exam.analyte.ref.values()), exam.id
            assert is_possible(exam, exam.analyte.interval(50, "female")[0], exam.analyte.unit)


def test_stored_as_entered_and_shown_in_the_other_unit() -> None:
    kept = value_of(Row("creatinine", "Creatinine", "96", "µmol/L", "45", "90"))
    assert kept == {"value": 96.0, "unit": "umol/L", "flag": "H", "low": 45.0, "high": 90.0}
    number, unit = other_unit({"code": "2160-0", "value": 96.0, "unit": "umol/L"}) or (0, "")
    assert (round(number, 3), unit) == (1.086, "mg/dL")
    number, unit = other_unit({"name": "Glucose", "value": 130.0, "unit": "mg/dL"}) or (0, "")
    assert (round(number, 2), displayed(unit)) == (7.22, "mmol/L")
    assert other_unit({"name": "Sodium", "value": 140.0, "unit": "mmol/L"}) is None
    assert other_unit({"name": "Serum rhubarb", "value": 1.0, "unit": "mg/dL"}) is None


def test_a_range_that_was_prefilled_for_the_other_unit_does_not_stay() -> None:
    kept = value_of(Row("creatinine", "Creatinine", "96", "µmol/L", "0.5", "1.1"))
    assert (kept["low"], kept["high"], kept["flag"]) == (44.2, 97.2, "")


def test_an_empty_range_is_the_catalogues() -> None:
    assert value_of(Row("potassium", "Potassium", "5.6", "mmol/L"))["flag"] == "H"


def test_a_unit_of_ones_own_is_kept_without_a_guess() -> None:
    kept = value_of(Row("", "Serum rhubarb", "3,5", "spoons"))
    assert kept == {"value": 3.5, "unit": "spoons", "flag": "", "low": None, "high": None}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (Row("potassium", "Potassium", "4.1", ""), "needs its unit: mmol/L"),
        (Row("potassium", "Potassium", "nan", "mmol/L"), "is not a number"),
        (Row("plt", "Platelets", "1,200", "10*9/L"), "without thousands separators"),
        (Row("potassium", "Potassium", "4.1", "mmol/L", "5", "3"), "ends below its beginning"),
        (Row("potassium", "Potassium", "1e999", "mmol/L"), "is not a number"),
    ],
)
def test_what_is_no_result_is_refused(row: Row, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        values_of([row], row.name, WOMAN)


def test_rows_are_read_as_they_were_posted() -> None:
    data = QueryDict("row-code=hb&row-code=&row-name=Haemoglobin&row-value=9&row-value=&row-unit=g/dL")
    assert read_rows(data) == [Row("hb", "Haemoglobin", "9", "g/dL"), Row()]
    assert values_of(read_rows(data), "Haemoglobin", WOMAN)[0].flag == "L"
    assert len(read_rows(QueryDict("&".join(["row-value=1"] * 500)))) == 60


def test_words_for_the_agent() -> None:
    values = values_of([Row("hb", "Haemoglobin", "9", "g/dL"), Row("ph", "Blood pH", "7.4", "")], "x", WOMAN)
    assert words_of(values).splitlines()[0] == "Haemoglobin: 9 g/dL (12-16) low"
    assert words_of(values).splitlines()[1].endswith("7.4 (7.35-7.45)")
