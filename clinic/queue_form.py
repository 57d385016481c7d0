"""The form from which a queue is built: a query without code, and who judges its items how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from secrets import randbelow
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef

from clinic.models import (
    CaseKind,
    Consultation,
    ConsultationStatus,
    ModelRole,
    ModelVersion,
    Rubric,
    RubricStatus,
    RubricVersion,
    User,
)
from clinic.queue_progress import annotators_of
from clinic.queue_query import STATUSES, BadQuery, End, QueueQuery, Stratum

SEEDS = 1_000_000
DAY = forms.DateInput(attrs={"type": "date"})


def several(choices: Iterable[tuple[Any, Any]], label: str, help_text: str = "", **options: Any) -> Any:
    return forms.MultipleChoiceField(
        choices=list(choices),
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        **options,
    )


def percent(label: str, initial: int, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(min_value=0, max_value=100, label=label, initial=initial, help_text=help_text)


class QueueForm(forms.Form):
    title = forms.CharField(max_length=200, required=False, label="Name")
    statuses = several([(s.value, s.label) for s in STATUSES], "Consultations", initial=[ConsultationStatus.CLOSED])
    kinds = several(CaseKind.choices, "Kind of case", "None ticked: every kind.")
    since = forms.DateField(required=False, label="Begun from", widget=DAY)
    until = forms.DateField(required=False, label="Begun until", widget=DAY)
    versions = several([], "Policy", "None ticked: every policy.")
    ends = several(End.choices, "Only where", "None ticked: however it ended.")
    all_of = several(End.choices, "All where")
    rest_percent = percent("Of the rest, %", 20, "100: everything.")
    strata = several(Stratum.choices, "Stratified by", "The share is taken from each stratum.")
    first = forms.TypedChoiceField(coerce=int, empty_value=None, required=False, label="First policy")
    second = forms.TypedChoiceField(coerce=int, empty_value=None, required=False, label="Second policy")
    rubric = forms.ModelChoiceField(
        RubricVersion.objects.none(),
        required=False,
        label="Rubric",
        empty_label="Each its own: case, complaint, general",
    )
    overlap = forms.IntegerField(min_value=1, max_value=9, initial=2, label="Judged by", help_text="People an item.")
    people = several([], "Given to", "None ticked: every annotator takes from it.")
    blind = forms.BooleanField(
        required=False,
        initial=True,
        label="Blind",
        help_text="Nobody sees another's verdicts before their own are in.",
    )
    minutes = forms.IntegerField(min_value=5, max_value=1440, initial=30, label="Reserved for, minutes")
    gold_percent = percent("Gold, %", 0, "With a known answer.")
    repeat_percent = percent("Repeats, %", 0, "Shown again, at the end.")
    _policies: list[tuple[int, str]] | None = None
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, label="Seed", help_text="Decides the draw.")

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        # Callables: what is only counted needs no list of names.
        self._choices("people", lambda: [(str(one.pk), one.display_name) for one in annotators_of(by)])
        self._choices("versions", self.policies)
        for name in ("first", "second"):
            self._choices(name, lambda: [("", "None"), *self.policies()])
        in_force = RubricVersion.objects.filter(status=RubricStatus.PUBLISHED, rubric__in=Rubric.objects.visible_to(by))
        in_force = in_force.filter(rubric__archived_at=None).select_related("rubric").order_by("rubric__title")
        self.fields["rubric"].queryset = in_force  # type: ignore[attr-defined]
        if not self.is_bound:
            self.initial.setdefault("seed", randbelow(SEEDS))

    def _choices(self, name: str, choices: Callable[[], list[tuple[Any, str]]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    def policies(self) -> list[tuple[int, str]]:
        """Those that spoke at this site, the newest first; read once."""
        if self._policies is None:
            held = Consultation.objects.filter(model_version=OuterRef("pk"), site=self.by.site_id)
            spoke = ModelVersion.objects.filter(Exists(held), role=ModelRole.AGENT).order_by("-created_at")
            self._policies = list(spoke.values_list("pk", "name"))
        return self._policies

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("since") and data.get("until") and data["since"] > data["until"]:
            self.add_error("until", "This day lies before the first one.")
        if not self.errors:
            try:
                data["query"] = self._query(data)
            except BadQuery as error:
                raise forms.ValidationError("Choose two different policies to compare, or none.") from error
        return data

    def _query(self, data: dict[str, Any]) -> QueueQuery:
        lists: dict[str, Any] = {name: tuple(data[name]) for name in ("statuses", "kinds", "ends", "all_of", "strata")}
        plain = {name: data[name] for name in ("since", "until", "rest_percent", "gold_percent", "repeat_percent")}
        versions = tuple(int(version) for version in data["versions"])
        return QueueQuery(**lists, **plain, versions=versions, first=data["first"], second=data["second"])

    def building(self) -> dict[str, Any]:
        """What `queue_building.build` is called with."""
        data = self.cleaned_data
        chosen = set(data["people"])
        people = [one for one in annotators_of(self.by) if str(one.pk) in chosen] if chosen else []
        names = ("query", "seed", "title", "overlap", "blind", "minutes", "rubric")
        return {"people": people, **{name: data[name] for name in names}}
