"""Forms of runs and schedules: what exists to choose from, and settings as a JSON table."""

from __future__ import annotations

from typing import Any

from django import forms

from clinic.models import ModelRole, ModelVersion, User
from training.methods import recipe as recipes
from training.models import Schedule, Snapshot, TrainerName
from training.runs.asking import MOST_SEED

DAYS = [(0, "Monday"), (1, "Tuesday"), (2, "Wednesday"), (3, "Thursday"), (4, "Friday"), (5, "Saturday"), (6, "Sunday")]
CLOCK = {"type": "time"}
SHOWN = 200


def known_recipes() -> list[tuple[str, str]]:
    """(name, name and what it is for) of every recipe that can be read."""
    files = sorted(recipes.ROOT.glob("*.yaml"), key=lambda path: (path.stem != "default", path.stem))
    return [(path.stem, path.stem.replace("_", " ").replace("-", " ").capitalize()) for path in files]


class _Settings(forms.Form):
    trainer = forms.ChoiceField(choices=TrainerName.choices, initial=TrainerName.GRPO)
    recipe = forms.ChoiceField(help_text="Rewards, advantages and the other slots; reinforcement learning reads them.")
    config = forms.JSONField(
        label="Settings",
        required=False,
        initial=dict,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text='What differs from the trainer’s defaults, for example {"steps": 40, "group": 8}.',
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["recipe"].choices = known_recipes()  # type: ignore[attr-defined]

    def clean_config(self) -> dict[str, Any]:
        found = self.cleaned_data["config"]
        if found in (None, ""):
            return {}
        if not isinstance(found, dict):
            raise forms.ValidationError('Write a table of names and values, as in {"steps": 40}.')
        return found


class NewRun(_Settings):
    """What `runs.start` asks for; whatever is not this site's cannot be chosen."""

    name = forms.CharField(max_length=160, required=False)
    snapshot = forms.ModelChoiceField(
        Snapshot.objects.none(), required=False, empty_label="None: the virtual clinic alone"
    )
    start = forms.ModelChoiceField(
        ModelVersion.objects.none(), required=False, label="Go on from", empty_label="The version that serves"
    )
    seed = forms.IntegerField(min_value=0, max_value=MOST_SEED, initial=0)
    field_order = ("name", "trainer", "recipe", "snapshot", "start", "seed", "config")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["snapshot"].queryset = Snapshot.objects.visible_to(user)  # type: ignore[attr-defined]
        versions = ModelVersion.objects.filter(role__in=[ModelRole.AGENT, ModelRole.WORLD])
        self.fields["start"].queryset = versions  # type: ignore[attr-defined]

    def wanted(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


class ScheduleForm(_Settings):
    """What `schedules.save` asks for."""

    name = forms.CharField(max_length=120)
    weekdays = forms.TypedMultipleChoiceField(
        choices=DAYS, coerce=int, required=False, widget=forms.CheckboxSelectMultiple, help_text="None: every day."
    )
    opens = forms.TimeField(widget=forms.TimeInput(attrs=CLOCK, format="%H:%M"), label="Begins from (UTC)")
    closes = forms.TimeField(
        widget=forms.TimeInput(attrs=CLOCK, format="%H:%M"),
        label="until (UTC)",
        help_text="Before the other time, it ends on the next day. A run that has begun is not cut off.",
    )
    at_least = forms.IntegerField(
        min_value=1, max_value=100_000, initial=50, label="New approved judgements",
        help_text="At least so many since its last run.",
    )  # fmt: skip
    enabled = forms.BooleanField(required=False, initial=True, label="Switched on")
    field_order = ("name", "trainer", "recipe", "config", "weekdays", "opens", "closes", "at_least", "enabled")

    @staticmethod
    def initial_of(schedule: Schedule) -> dict[str, Any]:
        names = ("name", "trainer", "recipe", "config", "weekdays", "opens", "closes", "at_least", "enabled")
        return {name: getattr(schedule, name) for name in names}

    def wanted(self) -> dict[str, Any]:
        return dict(self.cleaned_data)
