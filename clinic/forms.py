"""What people may type, checked before a service sees it."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms

from clinic.models import Role


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.CLINICIAN)


class JoinForm(forms.Form):
    """An invited person's account."""

    first_name = forms.CharField(
        label="First name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    last_name = forms.CharField(
        label="Last name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "family-name"})
    )
    username = forms.CharField(
        label="User name", max_length=150, widget=forms.TextInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label="Password",
        help_text="At least 12 characters. A few unrelated words are good.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
    )
    again = forms.CharField(
        label="Password, again", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("password") != data.get("again"):
            self.add_error("again", "The two passwords differ.")
        return data


class PreferencesForm(forms.Form):
    theme = forms.ChoiceField(choices=[("auto", "As the device"), ("light", "Light"), ("dark", "Dark")])
    time_zone = forms.ChoiceField(required=False, label="Time zone")
    whole = forms.BooleanField(
        required=False,
        label="Show an answer only when it is complete",
        help_text="Instead of its words as they come. Calmer, and quieter with a screen reader.",
    )
    keys = forms.BooleanField(
        required=False,
        label="Single-key shortcuts in the consultation room",
        help_text="j, k, o, r, d, /, ? and the full stop. Turn them off if they clash with speech input.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [
            (zone, zone.replace("_", " ")) for zone in sorted(available_timezones()) if "/" in zone or zone == "UTC"
        ]
        self.fields["time_zone"].choices = [("", "As the site"), *zones]  # type: ignore[attr-defined]
