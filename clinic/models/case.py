"""The full patient record behind a consultation, its findings, and results that are only simulated."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from clinic.models.user import Role

if TYPE_CHECKING:
    from clinic.models.user import User


class CaseKind(models.TextChoices):
    PATIENT = "patient", "Real patient"
    RECORD = "record", "Published record"
    VIRTUAL = "virtual", "Virtual"


SEALED = "virtual:sealed:"
"""How the keys of the patients begin by whom a gate measures, and whom nobody else may see."""


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: User) -> CaseQuerySet:
        """The site's cases; a researcher never sees a real patient's, and only the gate reads sealed ones."""
        if not user.is_active or user.site_id is None:
            return self.none()
        cases = self.filter(site=user.site_id, deleted_at=None).exclude(key__startswith=SEALED)
        return cases.exclude(kind=CaseKind.PATIENT) if user.role == Role.RESEARCHER else cases

    def with_consultation_count(self) -> CaseQuerySet:
        return self.annotate(consultation_count=models.Count("consultations"))


class Case(models.Model):
    """`sheet` holds the results not yet revealed; `answer` the recorded diagnosis. Neither reaches a prompt."""

    Kind = CaseKind

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="cases")
    kind = models.CharField(max_length=10, choices=CaseKind)
    patient = models.ForeignKey("clinic.Patient", null=True, blank=True, on_delete=models.PROTECT, related_name="cases")
    key = models.CharField(max_length=160, help_text="Stable name within its site, e.g. demo:chest-pain-1.")
    origin = models.CharField(max_length=60, help_text="demo, virtual, agentclinic, medrbench, entered …")
    licence = models.CharField(max_length=120, blank=True)
    credentialed = models.BooleanField(default=False)
    title = models.CharField(max_length=200)
    age_years = models.FloatField(null=True, blank=True)
    sex = models.CharField(max_length=10, default="unknown")
    complaint = models.TextField()
    history = models.JSONField(default=dict, blank=True)
    sheet = models.JSONField(default=list, blank=True)
    answer = models.TextField(blank=True)
    extra = models.JSONField(default=dict, blank=True)
    content_hash = models.CharField(max_length=64, blank=True)
    created_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "key"]
        constraints = [
            models.UniqueConstraint(fields=["site", "key"], name="case_key_unique_at_site"),
            models.CheckConstraint(condition=Q(kind__in=CaseKind.values), name="case_kind_known"),
            models.CheckConstraint(
                condition=Q(kind=CaseKind.PATIENT, patient__isnull=False)
                | Q(kind__in=[CaseKind.RECORD, CaseKind.VIRTUAL], patient__isnull=True),
                name="case_patient_exactly_when_real",
            ),
        ]
        indexes = [models.Index(fields=["site", "kind", "-created_at"])]

    def __str__(self) -> str:
        return self.title

    @property
    def is_virtual(self) -> bool:
        return self.kind == CaseKind.VIRTUAL

    @property
    def is_real(self) -> bool:
        return self.kind == CaseKind.PATIENT


class FindingSource(models.TextChoices):
    ENTERED = "entered", "Entered"
    RECORDED = "recorded", "From the record"


class FindingState(models.TextChoices):
    PRESENT = "present", "Present"
    ABSENT = "absent", "Absent"
    UNKNOWN = "unknown", "Unknown"


class Finding(models.Model):
    """One recorded fact. A simulated result can never be one: the constraint knows only two sources."""

    Source = FindingSource
    State = FindingState

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="findings")
    consultation = models.ForeignKey(
        "clinic.Consultation", null=True, blank=True, on_delete=models.CASCADE, related_name="findings"
    )
    turn = models.ForeignKey("clinic.Turn", null=True, blank=True, on_delete=models.CASCADE, related_name="findings")
    source = models.CharField(max_length=10, choices=FindingSource)
    name = models.CharField(max_length=200)
    code = models.CharField(max_length=80, blank=True, help_text="The knowledge's finding, where it is one.")
    state = models.CharField(max_length=8, choices=FindingState, default=FindingState.PRESENT)
    text = models.TextField(blank=True)
    values = models.JSONField(default=list, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True, help_text="Undone: kept, shown struck, never used.")
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(source__in=FindingSource.values), name="finding_source_entered_or_recorded"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:60]}"


class SimulatedResult(models.Model):
    """A result nobody measured. A composite foreign key refuses it on a real patient's case."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="simulated_results")
    case_kind = models.CharField(max_length=10, choices=CaseKind)
    consultation = models.ForeignKey("clinic.Consultation", on_delete=models.CASCADE, related_name="simulated_results")
    turn = models.ForeignKey("clinic.Turn", on_delete=models.CASCADE, related_name="simulated_results")
    name = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    values = models.JSONField(default=list, blank=True)
    world = models.CharField(max_length=60, help_text="Which world wrote it: authored, virtual, language.")
    world_version = models.CharField(max_length=80, blank=True)
    model = models.CharField(max_length=160, blank=True, help_text="The name of the model that wrote it, if one did.")
    seed = models.BigIntegerField(null=True, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(case_kind__in=[CaseKind.RECORD, CaseKind.VIRTUAL]),
                name="simulated_never_on_a_real_patient",
            )
        ]

    def __str__(self) -> str:
        return f"simulated {self.name}"
