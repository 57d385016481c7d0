"""Rubrics: the list, a version's page and its verbs, differences, older scores, files."""

from __future__ import annotations

from django.urls import URLPattern, path

from clinic.views import rubrics, rubrics_edit, rubrics_files, rubrics_history

ROOT = "annotation/rubrics/"
VERSION = ROOT + "<uuid:version_id>/"

urlpatterns: list[URLPattern] = [
    path(ROOT, rubrics.rubric_list, name="rubric_list"),
    path(ROOT + "new/", rubrics.rubric_new, name="rubric_new"),
    path(ROOT + "import/", rubrics_files.rubric_import, name="rubric_import"),
    path(VERSION, rubrics.rubric, name="rubric"),
    path(VERSION + "do/", rubrics_edit.rubric_do, name="rubric_do"),
    path(VERSION + "criterion/", rubrics_edit.rubric_criterion, name="rubric_criterion"),
    path(VERSION + "check/", rubrics_edit.rubric_check, name="rubric_check"),
    path(VERSION + "state/", rubrics_edit.rubric_state, name="rubric_state"),
    path(VERSION + "changes/", rubrics_history.rubric_diff, name="rubric_diff"),
    path(VERSION + "older-scores/", rubrics_history.rubric_rescore, name="rubric_rescore"),
    path(VERSION + "export/", rubrics_files.rubric_export, name="rubric_export"),
]
