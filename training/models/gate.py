"""Gates: a candidate compared with what serves on sealed cases, the change record, and who signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Q

from clinic.models import StatusModel

if TYPE_CHECKING:
    from clinic.models import User


class GateStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Comparing"
    PASSED = "passed", "Passed"
    FAILED = "failed", "Not passed"
    UNDECIDED = "undecided", "Undecided"
    BROKE = "broke", "Broke off"


class GateQuerySet(models.QuerySet["Gate"]):
    def visible_to(self, user: User) -> GateQuerySet:
        return self.filter(site=user.site_id) if user.may_see_training and user.site_id else self.none()


class Gate(StatusModel):
    """One comparison by one profile. A database trigger lets it pass only on its own checks."""

    Status = GateStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "queued": frozenset({"running", "broke"}),
        "running": frozenset({"running", "passed", "failed", "undecided", "broke"}),
        "passed": frozenset(),
        "failed": frozenset(),
        "undecided": frozenset(),
        "broke": frozenset({"queued"}),
    }

    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="gates")
    candidate = models.ForeignKey("clinic.ModelVersion", on_delete=models.PROTECT, related_name="gates")
    baseline = models.ForeignKey("clinic.ModelVersion", on_delete=models.PROTECT, related_name="+")
    profile = models.CharField(max_length=40, help_text="A file of training/gates/profiles.")
    profile_digest = models.CharField(max_length=64)
    primary = models.CharField(max_length=40, help_text="The endpoint named before the first case was played.")
    seed = models.BigIntegerField(default=0)
    n = models.PositiveIntegerField(default=0, help_text="Paired sealed cases.")
    status = models.CharField(max_length=10, choices=GateStatus, default=GateStatus.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    doing = models.CharField(max_length=200, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When its worker last said that it lives.")
    summary: Any = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    folder = models.CharField(max_length=120, help_text="Below the home's gates folder.")
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = GateQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=GateStatus.values), name="gate_status_known"),
            models.UniqueConstraint(
                fields=["candidate"],
                condition=Q(status__in=["queued", "running"]),
                name="one_gate_of_a_candidate_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.candidate} against {self.baseline}, {self.profile}"


class CheckKind(models.TextChoices):
    PRIMARY = "primary", "Primary endpoint"
    NON_INFERIOR = "non_inferior", "No worse than the margin"
    REQUIRED = "required", "Required"
    INFORMATIVE = "informative", "For information"


class CheckOutcome(models.TextChoices):
    PASSED = "passed", "Passed"
    FAILED = "failed", "Not passed"
    UNDECIDED = "undecided", "Undecided"
    NOT_RUN = "not_run", "Not run"


class GateCheck(models.Model):
    """One check of a gate. Differences are candidate minus baseline."""

    gate = models.ForeignKey(Gate, on_delete=models.CASCADE, related_name="checks")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=40)
    title = models.CharField(max_length=160)
    kind = models.CharField(max_length=14, choices=CheckKind)
    outcome = models.CharField(max_length=10, choices=CheckOutcome)
    may_be_missing = models.BooleanField(default=False, help_text="The profile lets this check be not run.")
    candidate = models.FloatField(null=True, blank=True)
    baseline = models.FloatField(null=True, blank=True)
    difference = models.FloatField(null=True, blank=True)
    low = models.FloatField(null=True, blank=True)
    high = models.FloatField(null=True, blank=True)
    margin = models.FloatField(null=True, blank=True)
    p = models.FloatField(null=True, blank=True)
    n = models.PositiveIntegerField(default=0)
    why = models.TextField(blank=True)
    detail: Any = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["gate", "name"], name="check_once_in_a_gate"),
            models.CheckConstraint(condition=Q(kind__in=CheckKind.values), name="check_kind_known"),
            models.CheckConstraint(condition=Q(outcome__in=CheckOutcome.values), name="check_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


class ChangeRecord(models.Model):
    """What changes, how it was tried, and what it means: written for one passed gate, then signed."""

    gate = models.OneToOneField(Gate, on_delete=models.PROTECT, related_name="record")
    modification = models.TextField(help_text="What was changed, and from what it learned.")
    protocol = models.TextField(help_text="How the change was made and compared; the profile is named.")
    impact = models.TextField(help_text="What gets better, what gets worse, for whom, and what to watch.")
    note = models.TextField(blank=True, help_text="The release note that clinicians read.")
    digest = models.CharField(max_length=64, help_text="sha256 of what is signed.")
    by = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Change record of {self.gate}"


class SignatureRole(models.TextChoices):
    PHYSICIAN = "physician", "Adjudicating physician"
    ADMIN = "admin", "Administrator"


class Signature(models.Model):
    """One person under one change record; two different people, neither of whom started the run."""

    record = models.ForeignKey(ChangeRecord, on_delete=models.PROTECT, related_name="signatures")
    role = models.CharField(max_length=10, choices=SignatureRole)
    by = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, help_text="Of the record as this person read it.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(fields=["record", "role"], name="one_signature_per_role"),
            models.UniqueConstraint(fields=["record", "by"], name="two_different_people_sign"),
        ]

    def __str__(self) -> str:
        return f"{self.by} as {self.get_role_display()}"
