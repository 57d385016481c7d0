"""eICU demo tables (a folder of CSV files): real intensive-care stays with laboratory, examination, diagnoses.

A stay becomes a case with what was measured in its first 24 hours, first occurrence of each examination.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from agents.records.base import Parsed, Rejection, Sex, UnreadableFile, csv_rows
from agents.types import CaseRecord, RecordedResult, Value

LICENCE = "ODbL 1.0 (open demo)"
WINDOW_MINUTES = 24 * 60
TABLES = {
    "patient.csv": ("patientunitstayid", "uniquepid", "gender", "age", "unittype", "unitadmitsource"),
    "lab.csv": (
        "patientunitstayid",
        "labresultoffset",
        "labname",
        "labresult",
        "labresulttext",
        "labmeasurenamesystem",
    ),
    "physicalExam.csv": ("patientunitstayid", "physicalexamoffset", "physicalexampath", "physicalexamtext"),
    "diagnosis.csv": ("patientunitstayid", "diagnosisoffset", "diagnosisstring", "icd9code", "diagnosispriority"),
}
Rows = dict[str, list[dict[str, str]]]


def read(path: Path) -> Iterator[Parsed]:
    """One case per stay of the folder `path`; broken lines of any table are rejected by themselves."""
    missing = [name for name in TABLES if not (path / name).is_file()]
    if missing:
        raise UnreadableFile(f"{path.name} has no {', '.join(missing)}; give the folder with the eICU tables.")
    tables: dict[str, Rows] = {}
    for name, columns in TABLES.items():
        tables[name] = defaultdict(list)
        for line, row in csv_rows(path / name, columns):
            if isinstance(row, Rejection):
                yield Rejection(f"{name} {line}", row.reason)
            else:
                tables[name][row["patientunitstayid"]].append(row)
    for stay, (patient, *_) in tables["patient.csv"].items():
        yield _stay(stay, patient, tables)


def _stay(stay: str, patient: dict[str, str], tables: dict[str, Rows]) -> Parsed:
    record = f"eicu-{stay}"
    diagnosis = _diagnosis(tables["diagnosis.csv"].get(stay, []))
    if diagnosis is None:
        return Rejection(record, "no primary diagnosis")
    results = [*_examination(tables["physicalExam.csv"].get(stay, [])), *_laboratory(tables["lab.csv"].get(stay, []))]
    if not results:
        return Rejection(record, f"no examination in the first {WINDOW_MINUTES // 60} hours")
    where, unit = patient["unitadmitsource"].strip(), patient["unittype"].strip()
    *path, name = diagnosis["diagnosisstring"].split("|")
    return CaseRecord(
        id=record,
        origin="eicu",
        age_years=_age(patient["age"]),
        sex=_SEX.get(patient["gender"].strip(), "unknown"),
        complaint=f"Admitted to intensive care ({unit or 'unit not stated'}) from {where or 'an unstated place'}.",
        results=tuple(results),
        answer=name.strip(),
        extra={"patient": patient["uniquepid"], "icd": diagnosis["icd9code"], "diagnosis_path": path},
    )


_SEX: dict[str, Sex] = {"Female": "female", "Male": "male", "Other": "other"}


def _age(text: str) -> float | None:
    """Ages over 89 are masked as "> 89" in the source; 90 stands for them."""
    text = text.strip()
    if text.startswith(">"):
        return 90.0
    return float(text) if text.isdigit() else None


def _minutes(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _within(rows: list[dict[str, str]], offset: str) -> list[dict[str, str]]:
    inside = [row for row in rows if -WINDOW_MINUTES <= _minutes(row[offset]) <= WINDOW_MINUTES]
    return sorted(inside, key=lambda row: _minutes(row[offset]))


def _diagnosis(rows: list[dict[str, str]]) -> dict[str, str] | None:
    primary = [row for row in rows if row["diagnosispriority"] == "Primary" and row["diagnosisstring"].strip()]
    return min(primary, key=lambda row: _minutes(row["diagnosisoffset"]), default=None)


def _laboratory(rows: list[dict[str, str]]) -> Iterator[RecordedResult]:
    seen: set[str] = set()
    for order, row in enumerate(_within(rows, "labresultoffset"), 1):
        name, unit = row["labname"].strip(), row["labmeasurenamesystem"].strip()
        text = row["labresulttext"].strip() or row["labresult"].strip()
        if not name or name in seen or not text:
            continue
        seen.add(name)
        number = _minutes(row["labresult"])
        values = (Value(code="", value=number, unit=unit, name=name),) if number != float("inf") else ()
        yield RecordedResult(examination=name, text=f"{text} {unit}".strip(), values=values, order=order)


def _examination(rows: list[dict[str, str]]) -> Iterator[RecordedResult]:
    """Structured physical examination: one result per system, "item: value" per line."""
    systems: dict[str, dict[str, str]] = {}
    for row in _within(rows, "physicalexamoffset"):
        parts = row["physicalexampath"].rsplit("Physical Exam/", 1)[-1].split("/")
        text = row["physicalexamtext"].strip()
        if len(parts) > 1 and text and text != parts[-1]:
            systems.setdefault(parts[0], {}).setdefault(parts[-1], text)
        elif len(parts) > 2 and text:
            systems.setdefault(parts[0], {}).setdefault(" ".join(parts[1:-1]), text)
    for system, items in systems.items():
        lines = "\n".join(f"{item}: {text}" for item, text in items.items())
        name = "Vital signs" if system == "Constitutional" else f"{system} examination"
        yield RecordedResult(examination=name, text=lines, order=0)
