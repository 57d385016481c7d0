"""The table's numbers are those of the cases that were played, whatever any summary says."""

from __future__ import annotations

import json

import pytest

from tests.training.default.played import result, write
from training.default import table
from training.default.chain import ChainError

CASES = ["a", "b", "c", "d"]


def oracle():
    sure = {"a": 0.9, "b": 0.8, "c": 0.4, "d": 0.9}
    return [result(case, correct=case != "d", confidence=sure[case]) for case in CASES]


@pytest.fixture
def root(tmp_path):
    first = [
        result("a", correct=True, precision=1.0, recall=0.5, f1=0.6, turns=3, cost=10.0, confidence=0.9),
        result("b", correct=False, precision=0.5, recall=0.5, f1=0.4, turns=5, cost=30.0, confidence=0.9),
        result("c", end="DEFER", turns=2, cost=0.0, confidence=None),
        result("d", end="MALFORMED", turns=2, cost=0.0, confidence=None),
    ]
    write(tmp_path / "0" / "evaluate-full-sft", first, oracle())
    return tmp_path


def numbers(made, row="full-sft"):
    (found,) = [one for one in made["rows"] if one["row"] == row]
    return {name: number["value"] for name, number in found["numbers"].items()}


def test_means_are_over_all_cases(root):
    found = numbers(table.made_of(root))
    assert found["accuracy"] == 0.25
    assert found["turns"] == 3.0
    assert found["cost"] == 10.0
    assert found["precision"] == 0.375
    assert found["recall"] == 0.25
    assert found["f1_mean_per_case"] == 0.25
    assert found["f1_of_means"] == pytest.approx(2 * 0.375 * 0.25 / 0.625)
    assert found["malformed"] == found["deferred"] == 0.25


def test_the_oracle_is_the_measure_on_the_same_cases(root):
    assert numbers(table.made_of(root))["accuracy_over_oracle"] == pytest.approx(1 / 3)


def test_the_oracle_stands_below_as_the_limit(root):
    made = table.made_of(root)
    limit = {name: number["value"] for name, number in made["oracle"]["numbers"].items()}
    assert (limit["accuracy"], limit["accuracy_over_oracle"], limit["cost"]) == (0.75, 1.0, 100.0)
    assert table.cells(made)[-1][:3] == ["greedy oracle", "4", "-"]


def test_calibration_counts_named_diagnoses_alone(root):
    # two answers at 0.9, one of them right
    assert numbers(table.made_of(root))["ece"] == pytest.approx(0.4)


def test_a_deferral_is_good_where_the_oracle_too_was_lost(root):
    assert numbers(table.made_of(root))["defer_quality"] == 1.0
    sure = [result(case, correct=True, confidence=0.9) for case in CASES]
    rows = [result("a", end="DEFER"), result("b", end="DEFER"), result("c", correct=True), result("d")]
    write(root / "0" / "evaluate-cold-start", rows, sure)
    assert numbers(table.made_of(root), "cold-start")["defer_quality"] == 0.0


def test_every_row_tells_its_n_and_seeds(root):
    again = [result(case, correct=True, precision=1.0, recall=1.0, f1=1.0) for case in CASES]
    write(root / "1" / "evaluate-full-sft", again, oracle())
    (row,) = table.made_of(root)["rows"]
    assert (row["n"], row["seeds"]) == (4, [0, 1])
    assert row["numbers"]["accuracy"]["value"] == pytest.approx((0.25 + 1.0) / 2)
    low, high = row["numbers"]["accuracy"]["low"], row["numbers"]["accuracy"]["high"]
    assert 0.0 <= low < 0.625 < high <= 1.0


def test_a_row_that_is_not_whole_is_left_out(root):
    (root / "0" / "evaluate-full-sft" / "manifest.json").unlink()
    with pytest.raises(ChainError, match="No row has been evaluated"):
        table.write(root)


def test_the_same_numbers_stand_in_text_markdown_and_json(root):
    made = table.write(root)
    assert json.loads((root / "table.json").read_text()) == json.loads(json.dumps(made))
    for name in ("table.txt", "table.md"):
        told = (root / name).read_text()
        assert "full SFT" in told
        assert "0.250 [" in told


def test_pass_at_k_is_unbiased(root):
    right = [[True, False], [False, False], [True, False], [False, True]]
    for sample, (a, b) in enumerate(right):
        write(root / "0" / "pass-at-k" / "cold-start", [result("a", correct=a), result("b", correct=b)], [], sample)
    (root / "0" / "pass-at-k" / "manifest.json").write_text(json.dumps({"files": {}}))
    (told,) = table.made_of(root)["pass_at_k"]
    assert (told["row"], told["n"], told["samples"]) == ("cold-start", 2, 4)
    assert told["pass"]["1"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    # two of four right: 1 - C(2,2)/C(4,2); one of four: 1 - C(3,2)/C(4,2)
    assert told["pass"]["2"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert told["pass"]["4"] == 1.0
