"""A cohort: accounts, identity, access, splits by patient, overlap, and the command that builds it."""

import json
import os
import stat

import pytest

from agents.records.base import Rejection
from agents.world.grammar import Event
from training.worlds import cohort, overlap
from training.worlds.__main__ import main
from training.worlds.rows import Row, UnreadableCohort, access_of, digest, read, write
from training.worlds.splits import split_of

WORDS = [f"w{n}" for n in range(150)]


def _row(n=1, **other):
    told = {"patient": f"p{n}", "split": "train", "origin": "test", "access": "public", "profile": f"Patient {n}.",
            "diagnosis": "Gout", "groups": ((Event("Urate", f"Value: {n}"),),)}  # fmt: skip
    return Row(f"row{n}", **{**told, **other})


def test_counts_in_are_accepted_and_rejected():
    found = cohort.collect([_row(1), Rejection("x", "no diagnosis"), _row(2), _row(1), Rejection("y", "no diagnosis")])
    told = cohort.summary(found, {"source": "test"})
    assert (told["seen"], told["accepted"], told["rejected"]) == (5, 2, 3)
    assert told["reasons"] == {"no diagnosis": 2, "the same record was read before": 1}


def test_reasons_are_counted_without_their_particulars():
    assert cohort.kind_of("the opening names the diagnosis (Gout (acute))") == "the opening names the diagnosis"
    assert cohort.kind_of("longer than 4,000,000 bytes") == "longer than bytes"


def test_the_hash_is_of_the_rows_not_of_their_order():
    assert digest([_row(1), _row(2)]) == digest([_row(2), _row(1)])
    assert digest([_row(1), _row(2)]) != digest([_row(1), _row(2, diagnosis="Sepsis")])


def test_one_credentialed_row_makes_a_cohort_credentialed():
    assert access_of([_row(1), _row(2)]) == "public"
    assert access_of([_row(1), _row(2, access="credentialed")]) == "credentialed"


def test_a_patient_in_two_splits_is_refused():
    found = cohort.collect([_row(1), _row(2, patient="p1", split="test")])
    with pytest.raises(cohort.UnusableCohort, match="more than one split, first p1"):
        cohort.check(found)


def test_an_empty_cohort_is_refused():
    with pytest.raises(cohort.UnusableCohort, match="No row"):
        cohort.check(cohort.collect([Rejection("x", "no diagnosis")]))


def test_splits_are_of_the_patient_and_in_shares():
    found = [split_of(f"p{n}", 0) for n in range(3000)]
    assert found == [split_of(f"p{n}", 0) for n in range(3000)]
    assert found != [split_of(f"p{n}", 1) for n in range(3000)]
    assert 0.77 < found.count("train") / 3000 < 0.83
    assert 0.08 < found.count("test") / 3000 < 0.12


def test_near_duplicates_are_found_within_and_across_splits():
    long = " ".join(WORDS)
    rows = [
        _row(1, profile=long),
        _row(2, profile=long, split="test"),
        _row(3, profile=f"{long} seventeen"),
        _row(4, profile=" ".join(reversed(WORDS))),
    ]
    told = overlap.report(rows)
    assert (told["near_duplicates"], told["near_duplicates_across_splits"]) == (3, 2)
    assert told["first"] == [["row1", "row2"], ["row2", "row3"]]


def test_similarity_is_jaccard():
    assert overlap.similarity(frozenset([1, 2, 3]), frozenset([2, 3, 4])) == 0.5


def test_rows_are_read_as_they_were_written(tmp_path):
    rows = [_row(1), _row(2, profile='ä\n"b"', access="credentialed")]
    write(tmp_path / "rows.jsonl", rows)
    assert list(read(tmp_path / "rows.jsonl")) == rows


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1}', json.dumps({**_row().as_dict(), "split": "dev"})])
def test_a_broken_line_is_said(tmp_path, line):
    (tmp_path / "rows.jsonl").write_text(json.dumps(_row().as_dict()) + "\n" + line + "\n")
    with pytest.raises(UnreadableCohort, match="line 2"):
        list(read(tmp_path / "rows.jsonl"))


def test_the_command_builds_a_cohort(tmp_path, capsys):
    out = tmp_path / "virtual.jsonl"
    assert main(["build", "--source", "virtual", "--n", "20", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(out.with_suffix(".manifest.json").read_text())
    assert told["seen"] == 20 == told["accepted"] + told["rejected"]
    assert told["hash"] == digest(read(out))
    assert told["access"] == "public"


def test_joining_with_credentialed_rows_is_credentialed_and_private(tmp_path, capsys):
    write(tmp_path / "a.jsonl", [_row(1)])
    write(tmp_path / "b.jsonl", [_row(2, access="credentialed")])
    out = tmp_path / "both.jsonl"
    assert main(["join", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"), "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["access"] == "credentialed"
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "virtual"], "--n"),
        (["--source", "virtual", "--n", "5", "--seed", "1000"], "0 to 999"),
        (["--source", "medrbench"], "Say which file"),
        (["--source", "medrbench", "nowhere.jsonl"], "There is no file"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(tmp_path, capsys, arguments, said):
    assert main(["build", *arguments, "--out", str(tmp_path / "out.jsonl")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
