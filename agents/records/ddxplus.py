"""DDXPlus patients (CSV) with its conditions and evidences (JSON files in the same folder).

The set is saturated and its priors are not prevalences: it is imported to read and to try, never as proof.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.records.base import Parsed, Rejection, UnreadableFile, csv_rows, json_document, text_of, unless_leaking
from agents.types import CaseRecord

LICENCE = "CC BY 4.0"
COLUMNS = ("AGE", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """evidences by either code, and condition names by either language."""

    evidences: dict[str, dict[str, Any]]
    conditions: dict[str, dict[str, Any]]


def read(path: Path) -> Iterator[Parsed]:
    """One patient per row of the CSV `path`."""
    vocabulary = load_vocabulary(path.parent)
    for name, row in csv_rows(path, COLUMNS):
        yield row if isinstance(row, Rejection) else _patient(name, row, vocabulary)


def load_vocabulary(folder: Path) -> Vocabulary:
    """Evidences and conditions beside the patients; UnreadableFile where they are not."""
    evidences: dict[str, dict[str, Any]] = {}
    for file in ("release_evidences.json", "release_evidences_frcodes.json"):
        if (folder / file).exists():
            evidences |= json_document(folder / file)
    if not evidences or not (folder / "release_conditions.json").exists():
        raise UnreadableFile("release_evidences.json and release_conditions.json must lie beside the patients' CSV.")
    conditions: dict[str, dict[str, Any]] = {}
    for condition in json_document(folder / "release_conditions.json").values():
        for key in ("condition_name", "cond-name-fr", "cond-name-eng"):
            if text_of(condition.get(key)):
                conditions[condition[key]] = condition
    return Vocabulary(evidences, conditions)


def _patient(name: str, row: dict[str, str], vocabulary: Vocabulary) -> Parsed:
    record = f"ddxplus-{row.get('OriginalRowKey') or name.removeprefix('line ')}"
    condition = vocabulary.conditions.get(row["PATHOLOGY"])
    if condition is None:
        return Rejection(record, f"unknown pathology {row['PATHOLOGY']!r}")
    try:
        codes, age = ast.literal_eval(row["EVIDENCES"]), float(row["AGE"])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Rejection(record, "EVIDENCES is not a list, or AGE not a number")
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        return Rejection(record, "EVIDENCES is not a list of codes")
    unknown = [code for code in (*codes, row["INITIAL_EVIDENCE"]) if _base(code) not in vocabulary.evidences]
    if unknown:
        return Rejection(record, f"unknown evidence {unknown[0]!r}")
    if row["SEX"] not in ("F", "M") or not 0 <= age <= 120:
        return Rejection(record, "SEX is not F or M, or AGE is not from 0 to 120")
    return unless_leaking(_record(record, age, row, codes, condition, vocabulary.evidences))


def _record(
    record: str, age: float, row: dict[str, str], codes: list[str], condition: dict[str, Any], evidences: dict[str, Any]
) -> CaseRecord:
    told = [(evidences[_base(code)], _sentence(code, evidences)) for code in codes]
    return CaseRecord(
        id=record,
        origin="ddxplus",
        age_years=age,
        sex="female" if row["SEX"] == "F" else "male",
        complaint=_sentence(row["INITIAL_EVIDENCE"], evidences),
        history={
            "review": "\n".join(text for evidence, text in told if not evidence.get("is_antecedent")),
            "past": "\n".join(text for evidence, text in told if evidence.get("is_antecedent")),
        },
        answer=text_of(condition.get("cond-name-eng")) or text_of(condition.get("condition_name")),
        extra={"icd10": text_of(condition.get("icd10-id")), "evidences": codes},
    )


def _base(code: str) -> str:
    return code.split("_@_", 1)[0]


def _sentence(code: str, evidences: dict[str, Any]) -> str:
    """Question and answer: "Do you have a cough? Yes"; a value is shown in words where it has a meaning."""
    evidence = evidences[_base(code)]
    value = code.split("_@_", 1)[1] if "_@_" in code else "Yes"
    meaning = evidence.get("value_meaning") or {}
    shown = meaning[value].get("en", value) if isinstance(meaning.get(value), dict) else value
    return f"{text_of(evidence.get('question_en'))} {'No' if shown == 'N' else shown}"
