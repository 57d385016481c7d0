"""What clinicians and physicians gave back: decisions, corrections, outcomes, preferences (decisions.md 3)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from clinic.models.lifecycle import StatusModel

if TYPE_CHECKING:
    from clinic.models.user import User


class FeedbackKind(models.TextChoices):
    ACCEPTED = "accepted", "Accepted a recommendation"
    REPLACED = "replaced", "Replaced a recommendation"
    REJECTED = "rejected", "Rejected a recommendation"
    DIFFERENTIAL = "differential", "Corrected the differential"
    INDEPENDENT = "independent", "Committed before the agent was revealed"
    DIAGNOSIS = "diagnosis", "Closed with a diagnosis"
    UNDONE = "undone", "Undid a step"
    OUTCOME = "outcome", "Recorded the outcome"
    COMMENT = "comment", "Commented"
    RATING = "rating", "Rated by rubric"
    PREFERENCE = "preference", "Preferred one of two"


class FeedbackStatus(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    APPROVED = "approved", "Approved"
    QUARANTINED = "quarantined", "Quarantined"
    WITHDRAWN = "withdrawn", "Withdrawn"


class DeclineReason(models.TextChoices):
    ALREADY_KNOWN = "already_known", "Already known"
    NOT_AVAILABLE = "not_available", "Not available here"
    TOO_SLOW = "too_slow", "Takes too long"
    TOO_INVASIVE = "too_invasive", "Too invasive or risky for this patient"
    WOULD_NOT_CHANGE = "would_not_change", "Would not change what I do"
    BETTER_CHOICE = "better_choice", "Another examination is better"
    CONTRAINDICATED = "contraindicated", "Contraindicated"
    PATIENT_DECLINES = "patient_declines", "The patient declines"
    WRONG_TRACK = "wrong_track", "The reasoning is on the wrong track"
    OTHER = "other", "Other"


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def visible_to(self, user: User) -> FeedbackQuerySet:
        return self.filter(site=user.site_id) if user.is_active and user.site_id else self.none()


class Feedback(StatusModel):
    """One thing that one person gave. Nothing is training data before it is approved; withdrawal always wins."""

    Kind = FeedbackKind
    Status = FeedbackStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "proposed": frozenset({"approved", "quarantined", "withdrawn"}),
        "approved": frozenset({"quarantined", "withdrawn"}),
        "quarantined": frozenset({"approved", "withdrawn"}),
        "withdrawn": frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="feedback")
    kind = models.CharField(max_length=14, choices=FeedbackKind)
    consultation = models.ForeignKey(
        "clinic.Consultation", null=True, blank=True, on_delete=models.CASCADE, related_name="feedback"
    )
    turn = models.ForeignKey("clinic.Turn", null=True, blank=True, on_delete=models.CASCADE, related_name="feedback")
    model_version = models.ForeignKey(
        "clinic.ModelVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="feedback"
    )
    target = models.CharField(max_length=300, blank=True, help_text="What it is about: an examination, a diagnosis.")
    reason_code = models.CharField(max_length=20, choices=DeclineReason, blank=True)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="feedback")
    at = models.DateTimeField(auto_now_add=True)
    consent = models.BooleanField(default=False, help_text="May be used for training once approved.")
    status = models.CharField(max_length=12, choices=FeedbackStatus, default=FeedbackStatus.PROPOSED)

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["site", "kind", "-at"]), models.Index(fields=["consultation", "at"])]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=FeedbackKind.values), name="feedback_kind_known"),
            models.CheckConstraint(condition=Q(status__in=FeedbackStatus.values), name="feedback_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.target}"


class FeedbackUse(models.Model):
    """One row of feedback in the making of one version, with the weight it had; written by the training room."""

    feedback = models.ForeignKey(Feedback, on_delete=models.PROTECT, related_name="uses")
    model_version = models.ForeignKey("clinic.ModelVersion", on_delete=models.PROTECT, related_name="feedback_uses")
    weight = models.FloatField(default=1.0)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["feedback", "model_version"], name="feedback_used_once_in_a_version")
        ]

    def __str__(self) -> str:
        return f"{self.feedback} in {self.model_version}"
