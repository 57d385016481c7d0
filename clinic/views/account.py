"""A person's own settings, kept on this device."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from clinic.forms import PreferencesForm
from clinic.preferences import Preferences
from clinic.views.access import SignedIn


def settings_page(request: SignedIn) -> HttpResponse:
    form = PreferencesForm(request.POST or None, initial=asdict(Preferences.of(request)))
    if request.method == "POST" and form.is_valid():
        messages.success(request, "Saved on this device.")
        response = redirect("settings")
        Preferences(**form.cleaned_data).keep(response)
        return response
    return render(request, "clinic/settings.html", {"form": form}, status=422 if form.is_bound else 200)
