"""The record world: what is in the record, and an honest "not in this record" for everything else."""

import pytest

from agents.records.values import values
from agents.types import CaseRecord, RecordedResult, Source
from agents.world.record import NOT_IN_RECORD, RecordWorld


def result(name, text, order=0):
    found = [value for line in text.split("\n") for value in _value(name, line)]
    return RecordedResult(name, text, tuple(found), order)


def _value(name, line):
    label, colon, rest = line.partition(": ")
    return values(label if colon else name, rest if colon else line, age=40, sex="male")


COUNT = "Hemoglobin: 9.1 g/dL\nLeukocyte count: 7,300/mm3\nDifferential: 60% neutrophils"
SHEET = (
    result("Vital signs", "Temperature: 38.4°C\nBlood Pressure: 90/60 mmHg\nHeart Rate: 128 bpm", 1),
    result("Abdominal examination", "Palpation: Tender in the right iliac fossa.", 2),
    result("Physical examination: hand", "Thenar wasting.", 3),
    result("Complete blood count", COUNT, 4),
    result("Urinalysis", "WBC: 20/hpf\nNitrites: positive", 5),
    result("Tensilon test", "Improves for four minutes.", 6),
    result("Initial laboratory findings", "CRP was 140 mg/L. Lactate was 4 mmol/L.", 7),
    result("Biopsy: Lymph Node", "Reactive.", 9),
    result("Chest X-ray", "Clear lungs. CT of the chest is recommended.", 8),
)
HISTORY = {
    "hpi": "Pain began in the middle of the abdomen yesterday. He has vomited twice. No diarrhoea.",
    "past": "Asthma as a child.",
    "drugs": "Salbutamol when needed.",
    "social": "Smokes ten cigarettes a day. Works as a baker.",
}
RECORD = CaseRecord("t:1", "test", 40, "male", "Abdominal pain", HISTORY, SHEET, "Appendicitis")


@pytest.fixture
def world():
    return RecordWorld(RECORD, version="v1")


async def said(world, request):
    return [(o.matched, o.text, o.source) for o in await world.examine(request)]


@pytest.mark.parametrize(
    "name", ["CBC", "complete blood count", "FBC", "full blood count please", "complete blod count"]
)
async def test_synonyms_find_the_same_result(world, name):
    assert await said(world, name) == [("Complete blood count", COUNT, Source.RECORDED)]


async def test_a_panel_contains_its_parts(world):
    (part,) = await world.examine("haemoglobin")
    assert (part.matched, part.text) == ("Haemoglobin", "Hemoglobin: 9.1 g/dL")
    assert [(v.code, v.value, v.unit, v.flag) for v in part.values] == [("hb", 9.1, "g/dL", "L")]
    assert (await said(world, "blood pressure"))[0][1] == "Blood Pressure: 90/60 mmHg"
    assert (await said(world, "white cell count"))[0][1] == "Leukocyte count: 7,300/mm3"


async def test_a_panel_is_answered_by_its_recorded_parts(world):
    (whole,) = await world.examine("physical examination")
    assert whole.text.startswith("Vital signs: Temperature: 38.4°C")
    assert "Abdominal examination: Palpation" in whole.text
    assert "Thenar wasting" in whole.text
    assert {v.code for v in whole.values} == {"temperature", "systolic_bp", "diastolic_bp", "heart_rate"}


@pytest.mark.parametrize(
    "name",
    [
        "platelets",
        "MRI brain",
        "CT chest",
        "troponin",
        "urine culture",
        "rectal examination",
        "lymph node examination",
        "aura photography",
        "",
        "?",
    ],
)
async def test_what_is_not_recorded_is_not_there(world, name):
    observations = await world.examine(name)
    assert [(o.text, o.source, o.values) for o in observations] == [(NOT_IN_RECORD, Source.UNAVAILABLE, ())]


async def test_a_name_the_catalogue_does_not_know(world):
    assert (await said(world, "tensilon testing"))[0][1] == "Improves for four minutes."
    assert (await said(world, "hand examination of the patient, hand"))[0][1] == "Thenar wasting."


async def test_sentences_of_an_unspecific_result(world):
    assert (await said(world, "lactate"))[0][1] == "Lactate was 4 mmol/L."


async def test_several_requests_at_once(world):
    found = await said(world, "lactate, FBC and MRI brain")
    assert [(name, source) for name, _, source in found] == [
        ("Lactate", Source.RECORDED),
        ("Complete blood count", Source.RECORDED),
        ("MRI brain", Source.UNAVAILABLE),
    ]


async def test_every_result_is_found_by_its_own_name(world):
    for recorded in SHEET:
        assert recorded.text in [text for _, text, _ in await said(world, recorded.examination)]


async def test_a_written_case_says_that_it_is_simulated():
    world = RecordWorld(RECORD, source=Source.SIMULATED, seed=3, version="v2")
    (seen,) = await world.examine("FBC")
    assert (seen.source, seen.version, seen.seed, seen.request) == (Source.SIMULATED, "v2", 3, "FBC")
    assert world.identity == {"backend": "record", "version": "v2", "seed": 3}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Do you smoke?", "Smokes ten cigarettes a day."),
        ("What medicines do you take?", "Salbutamol when needed."),
        ("Have you had any vomiting?", "He has vomited twice."),
        ("Any diarrhoea?", "No diarrhoea."),
        ("What is your occupation?", "Smokes ten cigarettes a day. Works as a baker."),
        ("Any past medical problems?", "Asthma as a child."),
        ("When did it begin?", HISTORY["hpi"]),
    ],
)
async def test_questions(world, question, answer):
    seen = await world.ask(question)
    assert (seen.text, seen.source) == (answer, Source.RECORDED)


@pytest.mark.parametrize("question", ["Have you travelled abroad?", "Any chest pain?", "Is there a rash?", "xyzzy", ""])
async def test_questions_the_record_does_not_answer(world, question):
    seen = await world.ask(question)
    assert (seen.text, seen.source) == (NOT_IN_RECORD, Source.UNAVAILABLE)
