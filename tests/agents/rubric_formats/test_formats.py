"""What each format is read into, what is rejected and why, and that nothing is lost on the way out and in again."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agents.records import Rejection, UnreadableFile
from agents.rubric_formats import READERS, CriterionRow, RubricRow, Unusable, read, write

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "cases"
RUBRIC = RubricRow(
    record="r1",
    title="Chest pain",
    criteria=(
        CriterionRow("Orders an ECG.", 8, "ecg", "safety", evidence_required=True, rule={"examined": ["ECG"]}),
        CriterionRow("Gives a drug the patient is allergic to.", -10, "drug", "safety", never=True, per_turn=True),
        CriterionRow(
            "Asks about smoking.", 3, "smoking", guideline="Pack-years count.",
            examples=({"text": "Do you smoke?", "verdict": "met"}, {"text": "Any habits?", "verdict": "not_met"}),
        ),
    ),
    complaint_group="chest_pain",
    guideline="Judge what was done.",
    version=3,
)  # fmt: skip


def saved(tmp_path, content, name="file.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_our_own_lines_lose_nothing(tmp_path):
    (back,) = read("rounds", saved(tmp_path, write("rounds", [RUBRIC])))
    assert back == RUBRIC


@pytest.mark.parametrize("points", ["1e999", "-Infinity", "NaN", "2.5", "true", "1" + "0" * 400])
def test_points_without_end_are_rejected_and_the_next_line_is_read(points, tmp_path):
    line = write("rounds", [RUBRIC]).strip()
    file = saved(tmp_path, line.replace('"points": 8', f'"points": {points}') + "\n" + line)
    bad, good = read("rounds", file)
    assert isinstance(bad, Rejection)
    assert "points" in bad.reason
    assert good == RUBRIC


def test_a_questionnaire_loses_rules_alone(tmp_path):
    text = write("fhir", [RUBRIC])
    (back,) = read("fhir", saved(tmp_path, text))
    assert back == replace(RUBRIC, criteria=(replace(RUBRIC.criteria[0], rule=None), *RUBRIC.criteria[1:]))
    two = json.loads(write("fhir", [RUBRIC, replace(RUBRIC, record="r2")]))
    assert (two["resourceType"], len(two["entry"])) == ("Bundle", 2)
    assert len(list(read("fhir", saved(tmp_path, two)))) == 2


def test_a_questionnaire_is_valid_r4():
    model = pytest.importorskip("fhir.resources.R4B.questionnaire").Questionnaire
    found = model.model_validate_json(write("fhir", [RUBRIC]))
    assert [item.linkId for item in found.item if item.type == "choice"] == ["ecg", "drug", "smoking"]


def test_a_questionnaire_of_others(tmp_path):
    score = {"url": "http://hl7.org/fhir/StructureDefinition/ordinalValue", "valueDecimal": 2.0}
    option = {"valueCoding": {"code": "yes", "extension": [score]}}
    item = {"linkId": "1", "text": "Orders an ECG.", "type": "choice", "answerOption": [option]}
    group = {"linkId": "g", "type": "group", "item": [item, {"linkId": "2", "type": "date", "text": "When?"}]}
    (row,) = read("fhir", saved(tmp_path, {"resourceType": "Questionnaire", "title": "Q", "item": [group]}))
    assert [(c.text, c.points) for c in row.criteria] == [("Orders an ECG.", 2)]
    assert row.unmapped == ("item.date",)


def test_healthbench_rows(tmp_path):
    row = {
        "prompt_id": "p1",
        "prompt": [{"role": "user", "content": "My chest hurts."}],
        "canary": "c",
        "rubrics": [{"criterion": "Urges care.", "points": -5, "tags": ["axis:communication_quality"]}],
    }
    (found,) = read("healthbench", saved(tmp_path, json.dumps(row)))
    assert [(c.text, c.points, c.axis) for c in found.criteria] == [("Urges care.", -5, "communication")]
    assert (found.case, found.notes["canary"], found.notes["never_train"]) == ("p1", "c", True)
    out = json.loads(write("healthbench", [found]))
    assert out["rubrics"][0]["points"] == -5


def test_a_checklist_says_what_an_item_stands_under(tmp_path):
    items = [
        {"section": "HPC", "item": "Headache", "depth": 0, "weight": "critical"},
        {"section": "HPC", "item": "left side", "depth": 1, "weight": "non-critical"},
        {"section": "PMH", "item": "asthma", "depth": 0, "weight": "critical"},
    ]
    talk = [{"speaker": "doctor", "text": "Hello"}]
    row = {"id": "p", "presenting_complaint": "Headache", "transcript": talk, "physician_checklist": items}
    bare = {**row, "id": "q", "physician_checklist": None}
    found, left = read("primock57", saved(tmp_path, f"{json.dumps(row)}\n{json.dumps(bare)}\n"))
    assert [(c.text, c.points) for c in found.criteria] == [
        ("Elicits: Headache", 6), ("Elicits: Headache → left side", 2), ("Elicits: asthma", 6),
    ]  # fmt: skip
    assert left == Rejection("q", "no physician's checklist")


@pytest.mark.parametrize(
    "document",
    [
        {"n1": [{"rubric": "Orders an ECG.", "weight": 7, "note": "x"}]},
        [{"note_id": "n1", "rubrics": [{"criterion": "Orders an ECG.", "points": 7.0, "note": "x"}]}],
        {"n1": {"criteria": [{"description": "Orders an ECG.", "importance": 7, "note": "x"}]}},
    ],
)
def test_diagbench_by_aliases(tmp_path, document):
    (found,) = read("diagbench", saved(tmp_path, document))
    assert (found.case, [(c.text, c.points) for c in found.criteria]) == ("n1", [("Orders an ECG.", 7)])
    assert found.unmapped == ("criterion.note",)
    assert json.loads(write("diagbench", [found]))["rubrics"] == [{"criterion": "Orders an ECG.", "points": 7}]


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ([], "no rubric"),
        ([{"points": 3}], "no text"),
        ([{"text": "A"}], "whole number"),
        ([{"text": "A", "points": 2.5}], "whole number"),
        ([{"text": "A", "points": True}], "whole number"),
        ([{"text": "A", "points": 11}], "outside"),
        ([{"text": "A", "points": "7"}], "whole number"),
    ],
)
def test_what_is_no_diagbench_rubric(tmp_path, criteria, reason):
    (found,) = read("diagbench", saved(tmp_path, {"n1": criteria}))
    assert isinstance(found, Rejection)
    assert reason in found.reason


def test_a_format_that_cannot_say_it_refuses():
    with pytest.raises(Unusable, match="penalties"):
        write("diagbench", [RUBRIC])
    with pytest.raises(Unusable, match="Unknown format"):
        write("primock57", [RUBRIC])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"axis": "charm"}, "axis"),
        ({"never": "yes"}, "true or false"),
        ({"never": True}, "below 0"),
        ({"points": None}, "whole number"),
        ({"text": 7}, "no text"),
        ({"examples": [{"text": "x", "verdict": "perhaps"}]}, "example"),
        ({"rule": {"dances": True}}, "rule"),
    ],
)
def test_what_is_none_of_our_lines(tmp_path, change, reason):
    line = json.loads(write("rounds", [RUBRIC]))
    line["criteria"] = [{**line["criteria"][2], **change}]
    (found,) = read("rounds", saved(tmp_path, json.dumps(line)))
    assert isinstance(found, Rejection)
    assert reason in found.reason


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', "null", "[1, null]", '{"a": 1}', "\x00\x01"])
def test_nonsense_is_rejected_and_never_fails(tmp_path, name, text):
    path = saved(tmp_path, text)
    with suppress(UnreadableFile):  # which is a sentence about the whole file
        assert all(isinstance(one, Rejection) for one in read(name, path))


def test_no_file(tmp_path):
    with pytest.raises(UnreadableFile, match="no file"):
        list(read("rounds", tmp_path / "none"))
    with pytest.raises(UnreadableFile, match="Unknown format"):
        list(read("word", tmp_path))


@pytest.mark.parametrize(
    ("name", "file", "rubrics"),
    [("healthbench", "healthbench_dev15.jsonl", 15), ("primock57", "primock57_dev.jsonl", 6)],
)
def test_published_files(name, file, rubrics):
    path = SHARED / file
    if not path.exists():
        pytest.skip("the shared sample is not on this machine")
    found = [one for one in read(name, path) if isinstance(one, RubricRow)]
    assert len(found) == rubrics
