"""The demo cases: complete, consistent in themselves, and silent about their answer before the first action."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.codecs.presentation import INQUIRY_CHARS, REPLY_CHARS
from agents.examinations import match
from agents.knowledge.catalogue import catalogue
from agents.knowledge.files import ROOT as KNOWLEDGE
from clinic.local.home import ROOT

FOLDER = ROOT / "clinic" / "demo" / "cases"
FILES = sorted(FOLDER.glob("*.yaml"))
KEYS = {"key", "title", "age_years", "sex", "complaint", "history", "answer", "aliases", "group", "in_scope", "results"}
HISTORY = {"hpi", "past", "drugs", "allergies", "family", "social", "review"}
VALUE_KEYS = {"code", "name", "value", "unit", "low", "high"}
LOINC = re.compile(r"\d{1,6}-\d")
SURVIVABLE = {  # what a living patient in a hospital can show
    "Body temperature": (33, 42),
    "Heart rate": (30, 220),
    "Systolic blood pressure": (60, 250),
    "Diastolic blood pressure": (30, 150),
    "Respiratory rate": (8, 45),
    "Oxygen saturation": (70, 100),
    "Sodium": (110, 170),
    "Potassium": (2, 7.5),
    "Haemoglobin": (4, 20),
    "White cell count": (0.5, 60),
    "Platelets": (10, 1200),
    "Blood pH": (6.9, 7.7),
    "Creatinine": (0.3, 12),
    "Glucose": (30, 900),
}


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read(request.param)


@cache
def conditions() -> list[dict[str, Any]]:
    return [read(file) for file in (KNOWLEDGE / "conditions").glob("*.yaml")]


def numbers(result: dict[str, Any]) -> dict[str, float]:
    return {value["name"]: value["value"] for value in result["values"]}


def everything(case: dict[str, Any]) -> dict[str, float]:
    """All numbers of a case by name; the first one counts."""
    found: dict[str, float] = {}
    for result in case["results"]:
        found = {**numbers(result), **found}
    return found


def says(text: str, phrase: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(phrase.lower())}(?!\w)", text.lower()) is not None


def inquiry(case: dict[str, Any]) -> str:
    return " ".join([case["key"].replace("-", " "), case["title"], case["complaint"], *case["history"].values()])


def ckd_epi_2021(creatinine: float, age: float, *, female: bool) -> float:
    """mL/min/1.73 m2 from mg/dL: the race-free creatinine equation of 2021."""
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    rate = 142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age
    return rate * 1.012 if female else rate


def test_there_are_a_dozen_and_no_two_alike():
    cases = [read(file) for file in FILES]
    assert len(cases) == 12
    for field in ("key", "title", "answer", "complaint"):
        assert len({case[field] for case in cases}) == 12
    assert [case["key"] for case in cases] == [f"demo:{file.stem}" for file in FILES]
    assert len({case["group"] for case in cases}) >= 7


def test_schema(case):
    assert set(case) == KEYS
    assert set(case["history"]) == HISTORY
    assert all(text.strip() for text in case["history"].values())
    assert case["sex"] in ("female", "male")
    assert 18 <= case["age_years"] <= 100
    assert case["in_scope"] is True
    assert case["group"] in yaml.safe_load((KNOWLEDGE / "groups.yaml").read_text())["groups"]
    assert case["answer"] not in case["aliases"]
    assert len(set(case["aliases"])) == len(case["aliases"]) >= 3
    assert 10 <= len(case["results"]) <= 22


def test_result_schema(case):
    for result in case["results"]:
        assert set(result) == {"examination", "text", "values"}
        assert len(result["text"]) > 10
        for value in result["values"]:
            assert set(value) == VALUE_KEYS
            assert not value["code"] or LOINC.fullmatch(value["code"])
            assert value["unit"], f"{value['name']} has no unit"
            assert math.isfinite(value["value"])
            assert value["low"] < value["high"]


def test_the_inquiry_never_names_the_answer(case):
    told = inquiry(case)
    assert not [name for name in (case["answer"], *case["aliases"]) if says(told, name)]


def test_the_agent_is_told_all_of_it(case):
    """Nothing a person wrote is cut off before the model reads it, and no result either."""
    assert len(inquiry(case)) < INQUIRY_CHARS - 300
    assert all(len(result["text"]) < REPLY_CHARS - 100 for result in case["results"])


def test_the_leak_check_finds_a_leak():
    case = read(FILES[0])
    case["history"]["past"] += f" Worried about {case['aliases'][0].upper()}."
    assert says(inquiry(case), case["aliases"][0])


def test_examinations_are_in_the_catalogue_under_their_own_name(case):
    names = [result["examination"] for result in case["results"]]
    assert len(set(names)) == len(names)
    for name in names:
        assert [hit.name for hit in match(name)] == [name]


def test_examinations_are_possible_for_this_patient(case):
    by_name = {exam.name: exam for exam in catalogue().exams.values()}
    for result in case["results"]:
        assert by_name[result["examination"]].possible_for(case["age_years"], case["sex"]), result["examination"]


def test_values_speak_the_catalogue_of_the_examination(case):
    """Code and unit as in the catalogue, so that a panel's part can be answered from the panel."""
    by_name = {exam.name: exam for exam in catalogue().exams.values()}
    for result in case["results"]:
        for value in result["values"]:
            exam = by_name.get(value["name"])
            if exam is None:  # a number the catalogue does not know, such as a quantitative pregnancy test
                continue
            assert exam.analyte is not None
            assert (value["code"], value["unit"]) == (exam.loinc or "", exam.analyte.unit)
            assert (value["low"], value["high"]) == exam.analyte.interval(case["age_years"], case["sex"])


def test_panels_are_whole(case):
    for panel in ("Vital signs", "Complete blood count", "Basic metabolic panel"):
        known = next(exam for exam in catalogue().exams.values() if exam.name == panel)
        parts = [catalogue().exams[leaf].name for leaf in catalogue().leaves(known.id)]
        given = [result for result in case["results"] if result["examination"] == panel]
        assert [list(numbers(result)) for result in given] == [parts]


def test_vital_signs_and_blood_are_survivable(case):
    for result in case["results"]:
        for name, value in numbers(result).items():
            low, high = SURVIVABLE.get(name, (0, math.inf))
            assert low <= value <= high, name


def test_arithmetic_of_the_panels(case):
    found = everything(case)
    assert found["Anion gap"] == pytest.approx(found["Sodium"] - found["Chloride"] - found["Bicarbonate"], abs=1)
    assert found["Haematocrit"] / found["Haemoglobin"] == pytest.approx(2.95, abs=0.15)
    female = case["sex"] == "female"
    rate = ckd_epi_2021(found["Creatinine"], case["age_years"], female=female)
    assert found["Estimated GFR"] == pytest.approx(rate, abs=1)
    shares = ("Neutrophils", "Lymphocytes", "Monocytes", "Eosinophils", "Basophils")
    assert sum(found[share] for share in shares) == pytest.approx(100, abs=0.11)
    assert found["Diastolic blood pressure"] < found["Systolic blood pressure"]


def test_blood_gas_fits_the_bicarbonate(case):
    """Henderson-Hasselbalch: pH = 6.1 + log10(HCO3 / (0.0307 pCO2)), within the spread of two samples."""
    found = everything(case)
    if "Blood pH" not in found:
        assert "Arterial pCO2" not in found
        return
    implied = 0.0307 * found["Arterial pCO2"] * 10 ** (found["Blood pH"] - 6.1)
    assert found["Bicarbonate"] == pytest.approx(implied, abs=2)


def test_short_reports_state_their_numbers(case):
    for result in case["results"]:
        if result["examination"] == "Basic metabolic panel" or len(result["values"]) > 6:
            continue
        for name, value in numbers(result).items():
            assert f"{value:g}" in result["text"].replace(",", ""), (result["examination"], name)


def test_same_number_wherever_it_is_reported(case):
    found = everything(case)
    for result in case["results"]:
        for name, value in numbers(result).items():
            assert value == found[name], (result["examination"], name)


def test_each_case_holds_normal_and_abnormal_numbers(case):
    every = [value for result in case["results"] for value in result["values"]]
    normal = [value["low"] <= value["value"] <= value["high"] for value in every]
    assert 0.25 < sum(normal) / len(normal) < 0.9


def test_in_scope_means_that_the_knowledge_covers_it(case):
    """Some condition goes by the answer's name, and is among those of the case's complaint."""
    names = {name.lower() for name in (case["answer"], *case["aliases"])}
    meant = [known for known in conditions() if names & {known["name"].lower(), *map(str.lower, known["aliases"])}]
    assert meant
    assert all(case["group"] in known["groups"] for known in meant)
