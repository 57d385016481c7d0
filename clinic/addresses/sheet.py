"""The annotation sheet."""

from __future__ import annotations

from django.urls import path

from clinic.views import sheet

ONE = "annotation/sheets/<uuid:annotation_id>/"

urlpatterns = [
    path("annotation/next/", sheet.sheet_next, name="sheet_next"),
    path("annotation/done/", sheet.sheet_done, name="sheet_done"),
    path("annotation/signed-in/", sheet.sheet_signed_in, name="sheet_signed_in"),
    path(ONE, sheet.sheet, name="sheet"),
    path(ONE + "draft/", sheet.sheet_draft, name="sheet_draft"),
    path(ONE + "ahead/", sheet.sheet_ahead, name="sheet_ahead"),
    path(ONE + "open/", sheet.sheet_open, name="sheet_open"),
    path(ONE + "decline/", sheet.sheet_decline, name="sheet_decline"),
]
