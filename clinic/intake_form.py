"""What is asked before the first question: who, what, since when, and the vital signs with their units."""

from __future__ import annotations

from typing import Any

from django import forms

from agents import examinations
from agents.types import Value
from agents.world.wording import flag
from clinic.models import CaseKind
from clinic.services.intake import SECTIONS

POSSIBLE = {
    "temperature": (20.0, 46.0), "heart_rate": (0.0, 350.0), "systolic_bp": (20.0, 320.0), "diastolic_bp": (5.0, 250.0),
    "respiratory_rate": (0.0, 120.0), "spo2": (10.0, 100.0),
}  # fmt: skip
"""What a living body can show (catalogue units); beyond it a number or a unit is mistaken."""
TYPICAL_AGE = 40.0


def _text(label: str, rows: int = 2, **more: Any) -> forms.CharField:
    area = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(label=label, required=False, max_length=20_000, widget=area, **more)


def _number(label: str, **more: Any) -> forms.FloatField:
    return forms.FloatField(label=label, required=False, widget=forms.NumberInput(attrs={"step": "any"}), **more)


class IntakeForm(forms.Form):
    """Every field may stay empty but the complaint; what cannot be is refused with a sentence and kept as typed."""

    kind = forms.ChoiceField(
        label="This case is",
        choices=[(CaseKind.VIRTUAL, "Virtual: invented, for practice"), (CaseKind.PATIENT, "A real patient")],
        widget=forms.RadioSelect,
        initial=CaseKind.VIRTUAL,
    )
    identifier = forms.CharField(
        label="Patient’s number", max_length=64, required=False, help_text="At this site; only for a real patient."
    )
    age_years = _number("Age in years", min_value=0, max_value=125)
    sex = forms.ChoiceField(
        choices=[("female", "Female"), ("male", "Male"), ("other", "Other"), ("unknown", "Unknown")], initial="unknown"
    )
    complaint = forms.CharField(
        label="Complaint",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="In a sentence or two: what, where, since when.",
    )
    hpi = _text("History of present illness", rows=5)
    past = _text("Past history")
    drugs = _text("Medication")
    allergies = _text("Allergies")
    family = _text("Family history")
    social = _text("Social history")
    review = _text("Review of systems")
    temperature = _number("Temperature")
    temperature_unit = forms.ChoiceField(
        label="Unit", choices=[("Cel", "°C"), ("F", "°F")], initial="Cel", required=False
    )
    heart_rate = _number("Pulse, /min")
    systolic_bp = _number("Systolic, mmHg")
    diastolic_bp = _number("Diastolic, mmHg")
    respiratory_rate = _number("Respiratory rate, /min")
    spo2 = _number("Oxygen saturation, %")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") == CaseKind.PATIENT and not data.get("identifier", "").strip():
            self.add_error("identifier", "A real patient’s case needs the patient’s number at this site.")
        if data.get("kind") != CaseKind.PATIENT and data.get("identifier", "").strip():
            self.add_error("identifier", "A number belongs to a real patient: choose that kind, or clear the number.")
        for name, (low, high) in POSSIBLE.items():
            value = self._measured(data, name)
            if value is not None and not low <= value <= high:
                self.add_error(name, f"{data[name]:g} is outside what is possible; check the value or its unit.")
        systolic, diastolic = data.get("systolic_bp"), data.get("diastolic_bp")
        if systolic is not None and diastolic is not None and diastolic >= systolic:
            self.add_error("diastolic_bp", "The diastolic pressure is not below the systolic; check both.")
        return data

    @staticmethod
    def _measured(data: dict[str, Any], name: str) -> float | None:
        value = data.get(name)
        if value is not None and name == "temperature" and data.get("temperature_unit") == "F":
            return float((value - 32) / 1.8)
        return value

    def facts(self) -> dict[str, Any]:
        """Keyword arguments of `cases.create`."""
        data = self.cleaned_data
        history = {name: text for name in SECTIONS if (text := data[name].strip())}
        names = ("kind", "complaint", "age_years", "sex", "identifier")
        return {**{name: data[name] for name in names}, "history": history}

    def vitals(self) -> list[Value]:
        """The vital signs that were measured, in the catalogue's unit, flagged against the reference interval."""
        found = []
        for name in POSSIBLE:
            number = self._measured(self.cleaned_data, name)
            exam = examinations.find(name)
            if number is None or exam is None or exam.analyte is None:
                continue
            age = self.cleaned_data["age_years"]
            low, high = exam.analyte.interval(TYPICAL_AGE if age is None else age, self.cleaned_data["sex"])
            number = round(number, 2)
            found.append(Value(name, number, exam.analyte.unit, flag(number, low, high), exam.name, low, high))
        return found
