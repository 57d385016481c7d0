"""The language world model's part in a consultation, and the cache of what it drew."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from clinic.models.case import CaseKind


class WorldBackend(models.TextChoices):
    OWN = "own", "The case's own world"
    LANGUAGE = "language", "Language world model"


class WorldDraw(models.Model):
    """One result the world model wrote for (version, profile, history, examination, seed), found by their digest.

    The same request finds the same row, so that a repeated request repeats its answer. A draw that the monitor
    never accepted has no text; `tries` holds every seed tried, its text and the monitor's complaints.
    A composite foreign key refuses draws on a real patient's case.
    """

    digest = models.CharField(max_length=64, unique=True)
    case = models.ForeignKey("clinic.Case", null=True, on_delete=models.CASCADE, related_name="world_draws")
    case_kind = models.CharField(max_length=10, choices=CaseKind, null=True)
    examination = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    accepted = models.BooleanField()
    tries = models.JSONField(default=list)
    model = models.CharField(max_length=160)
    version = models.CharField(max_length=80)
    seed = models.BigIntegerField()
    temperature = models.FloatField()
    seconds = models.FloatField(default=0.0)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["case", "examination"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(case__isnull=True, case_kind__isnull=True)
                # NULL in a list is unknown, and a constraint lets the unknown pass.
                | Q(case__isnull=False, case_kind__isnull=False, case_kind__in=[CaseKind.RECORD, CaseKind.VIRTUAL]),
                name="draw_never_on_a_real_patient",
            ),
            models.CheckConstraint(condition=Q(accepted=True) | Q(text=""), name="draw_rejected_has_no_text"),
        ]

    def __str__(self) -> str:
        return f"draw {self.examination} (seed {self.seed})"
