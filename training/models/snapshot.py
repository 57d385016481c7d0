"""What a run learns from, frozen by content: feedback, cases and what was left out."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from clinic.models import User


class Split(models.TextChoices):
    TRAIN = "train", "Training"
    VALIDATION = "validation", "Validation"


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def visible_to(self, user: User) -> SnapshotQuerySet:
        return self.filter(site=user.site_id) if user.may_see_training and user.site_id else self.none()


class Snapshot(models.Model):
    """Never changed after it is made: the same feedback, weights and exclusions give the same digest again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="snapshots")
    name = models.CharField(max_length=160, blank=True)
    digest = models.CharField(max_length=64, help_text="sha256 of the manifest's content.")
    manifest: Any = models.JSONField(help_text="Ids, rubric versions, weights, splits, exclusions, counts, digests.")
    folder = models.CharField(max_length=120, help_text="Below the home's snapshots folder.")
    rebuilt_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="rebuilds")
    without: Any = models.JSONField(default=list, blank=True, help_text="Keys of cases that were asked to be left out.")
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["site", "digest"], name="snapshot_once_per_content")]

    def __str__(self) -> str:
        return self.name or f"Snapshot {self.digest[:12]}"


class SnapshotFeedback(models.Model):
    """One row of feedback in a snapshot: the lineage both ways."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="feedback_rows")
    feedback = models.ForeignKey("clinic.Feedback", on_delete=models.CASCADE, related_name="snapshot_rows")
    weight = models.FloatField()
    split = models.CharField(max_length=10, choices=Split)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "feedback"], name="feedback_once_in_a_snapshot"),
            models.CheckConstraint(condition=Q(weight__gt=0, weight__lte=1), name="snapshot_weight_0_to_1"),
        ]

    def __str__(self) -> str:
        return f"{self.feedback_id} in {self.snapshot_id}"


class SnapshotCase(models.Model):
    """One case in a snapshot; `person` keeps all cases of one patient in one split."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="case_rows")
    case = models.ForeignKey(
        "clinic.Case", null=True, blank=True, on_delete=models.SET_NULL, related_name="snapshot_rows"
    )
    key = models.CharField(max_length=200)
    person = models.CharField(max_length=64, help_text="A digest; not reversible.")
    split = models.CharField(max_length=10, choices=Split)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["snapshot", "key"], name="case_once_in_a_snapshot")]

    def __str__(self) -> str:
        return f"{self.key} in {self.snapshot_id}"
