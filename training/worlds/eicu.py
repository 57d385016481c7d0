"""Admissions from the eICU demo tables: intensive-care stays, results from a day before to a day after admission."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agents import records
from agents.records.base import Rejection, csv_rows
from agents.records.eicu import WINDOW_MINUTES
from agents.types import CaseRecord, RecordedResult
from training.worlds import recorded, style
from training.worlds.admission import Admission, Result, Window
from training.worlds.rows import Access

WINDOW = Window(before=WINDOW_MINUTES / 60, after=WINDOW_MINUTES / 60)
NAMES = {
    "bedside glucose": "glucose", "platelets x 1000": "plt", "WBC x 1000": "wbc", "-lymphs": "lymphocytes_pct",
    "-monos": "monocytes_pct", "-polys": "neutrophils_pct", "-eos": "eosinophils_pct", "-basos": "basophils_pct",
    "AST (SGOT)": "ast", "ALT (SGPT)": "alt", "alkaline phos.": "alp", "total bilirubin": "bilirubin",
    "PT - INR": "inr", "CPK": "ck", "CPK-MB": "ck_mb", "troponin - I": "troponin", "serum osmolality": "osmolality",
}  # fmt: skip
OTHER = frozenset(("PT",))
"""Seconds here, where the catalogue takes the word for the ratio."""


def read(path: Path, access: Access) -> Iterator[Admission | Rejection]:
    """Every stay of the folder `path`; stays of one person have one patient."""
    times: dict[str, dict[str, float]] | None = None
    for record in records.read("eicu", path):
        if isinstance(record, Rejection):
            yield record
            continue
        times = times or _times(path)
        yield _admission(record, times.get(record.id.removeprefix("eicu-"), {}), access)


def _times(path: Path) -> dict[str, dict[str, float]]:
    """Hours after admission of the first measurement in the window, by stay and name."""
    found: dict[str, dict[str, float]] = {}
    for _, line in csv_rows(path / "lab.csv", ("patientunitstayid", "labresultoffset", "labname")):
        if isinstance(line, Rejection):
            continue
        minutes = _number(line["labresultoffset"])
        hours = None if minutes is None else minutes / 60
        if hours is not None and -WINDOW.before <= hours <= WINDOW.after:
            stay, name = found.setdefault(line["patientunitstayid"], {}), line["labname"].strip()
            stay[name] = min(hours, stay.get(name, hours))
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _admission(record: CaseRecord, times: dict[str, float], access: Access) -> Admission:
    body = [Result(one.examination, one.text) for one in record.results if one.order == 0]
    measured = [_result(one, times.get(one.examination)) for one in record.results if one.order]
    plain = recorded.admission(replace(record, results=()), access)
    return replace(
        plain,
        patient=f"eicu-{record.extra['patient']}",
        physical=tuple(body),
        results=tuple(measured),
        window=WINDOW,
    )


def _result(one: RecordedResult, hours: float | None) -> Result:
    exam = "" if one.examination in OTHER else NAMES.get(one.examination)
    return Result(one.examination, _text(one), hours, exam)


def _text(one: RecordedResult) -> str:
    """In the published style where it is a number; the two columns of the source may differ, the text has the unit."""
    if not one.values:
        return one.text
    value = one.values[0]
    shown = one.text.removesuffix(value.unit).strip() if value.unit else one.text
    number = _number(shown)
    return style.measured(replace(value, value=number), shown) if number is not None else one.text
