"""Forms of gates: which candidate by which profile, and the texts of a change record."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models

from clinic.models import ModelRole, ModelVersion, User, VersionStatus
from training.gates import profiles

AREA = {"rows": 4}


class NewGate(forms.Form):
    """Candidates are agents that do not serve, of no other site's run."""

    candidate = forms.ModelChoiceField(ModelVersion.objects.none(), empty_label="Choose a version")
    profile = forms.ChoiceField()

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["candidate"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = candidates(user)
        choices = [(profile.name, profile.title) for profile in profiles.allowed()]
        profile_field = self.fields["profile"]
        assert isinstance(profile_field, forms.ChoiceField)
        profile_field.choices = choices
        profile_field.help_text = " ".join(f"{profile.title}: {profile.summary}" for profile in profiles.allowed())


def candidates(user: User) -> models.QuerySet[ModelVersion]:
    """Those that came another way than by a run belong to the whole installation."""
    waiting = (VersionStatus.CANDIDATE, VersionStatus.SHADOW, VersionStatus.RETIRED)
    agents = ModelVersion.objects.filter(role=ModelRole.AGENT, status__in=waiting)
    return agents.filter(models.Q(run=None) | models.Q(run__site=user.site_id)).order_by("-created_at")


class RecordForm(forms.Form):
    """Modification, protocol and impact, as a predetermined change control plan names them."""

    modification = forms.CharField(
        widget=forms.Textarea(attrs=AREA), max_length=5000, help_text="What was changed, and from what it learned."
    )
    protocol = forms.CharField(
        widget=forms.Textarea(attrs=AREA), max_length=5000, help_text="How it was made and compared; name the profile."
    )
    impact = forms.CharField(
        widget=forms.Textarea(attrs=AREA),
        max_length=5000,
        help_text="What gets better, what gets worse, for whom, and what to watch.",
    )
    note = forms.CharField(
        label="Release note",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
        required=False,
        help_text="What clinicians read when it serves.",
    )
