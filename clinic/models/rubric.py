"""Rubrics: what a consultation is judged by. A version that was published never changes; a change is a new version."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Exists, OuterRef, Q

from agents.rubrics import LARGEST, Criterion
from clinic.models.case import Case
from clinic.models.lifecycle import StatusModel

if TYPE_CHECKING:
    from clinic.models.user import User


class RubricScope(models.TextChoices):
    CASE = "case", "One case"
    COMPLAINT = "complaint", "A group of complaints"
    GENERAL = "general", "Every consultation"


class RubricFlow(models.TextChoices):
    SINGLE = "single", "One author"
    PANEL = "panel", "Two authors, a reviewer and a weigher"


class RubricOrigin(models.TextChoices):
    AUTHORED = "authored", "Written by physicians"
    GENERATED = "generated", "Drafted by a model"
    IMPORTED = "imported", "Imported"


class RubricStatus(models.TextChoices):
    WRITING = "writing", "Being written"
    REVIEW = "review", "In review"
    WEIGHING = "weighing", "Being weighed"
    PUBLISHED = "published", "In force"
    RETIRED = "retired", "Replaced"
    DISCARDED = "discarded", "Discarded"


class RubricRole(models.TextChoices):
    AUTHOR = "author", "First author"
    SECOND_AUTHOR = "second_author", "Second author"
    REVIEWER = "reviewer", "Reviewer"
    WEIGHER = "weigher", "Weigher"


class Axis(models.TextChoices):
    SAFETY = "safety", "Safety"
    ACCURACY = "accuracy", "Accuracy"
    COMPLETENESS = "completeness", "Completeness"
    ECONOMY = "economy", "Economy"
    COMMUNICATION = "communication", "Communication"


class RubricQuerySet(models.QuerySet["Rubric"]):
    def visible_to(self, user: User) -> RubricQuerySet:
        """The site's; a deleted case takes its rubrics out of sight."""
        if not user.is_active or user.site_id is None:
            return self.none()
        # Not a join: the rows are locked as they are read.
        deleted = Case.objects.filter(pk=OuterRef("case"), deleted_at__isnull=False)
        return self.filter(~Exists(deleted), site=user.site_id)


class Rubric(models.Model):
    """One rubric through all its versions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="rubrics")
    title = models.CharField(max_length=200)
    scope = models.CharField(max_length=10, choices=RubricScope)
    case = models.ForeignKey("clinic.Case", null=True, blank=True, on_delete=models.CASCADE, related_name="rubrics")
    complaint_group = models.CharField(max_length=80, blank=True, help_text="A group of the knowledge base's.")
    flow = models.CharField(max_length=8, choices=RubricFlow, default=RubricFlow.SINGLE)
    created_by = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = RubricQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        indexes = [models.Index(fields=["site", "scope", "complaint_group"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope=RubricScope.CASE, case__isnull=False, complaint_group="")
                | Q(scope=RubricScope.COMPLAINT, case__isnull=True) & ~Q(complaint_group="")
                | Q(scope=RubricScope.GENERAL, case__isnull=True, complaint_group=""),
                name="rubric_is_about_what_its_scope_says",
            )
        ]

    def __str__(self) -> str:
        return self.title


class RubricVersion(StatusModel):
    """Criteria with points and a guideline; nothing is judged by it before it is published."""

    Status = RubricStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "writing": frozenset({"review", "published", "discarded"}),
        "review": frozenset({"writing", "weighing", "discarded"}),
        "weighing": frozenset({"review", "published", "discarded"}),
        "published": frozenset({"retired"}),
        "retired": frozenset(),
        "discarded": frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rubric = models.ForeignKey(Rubric, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=RubricStatus, default=RubricStatus.WRITING)
    guideline = models.TextField(blank=True, help_text="How to judge with it; shown beside the criteria.")
    origin = models.CharField(max_length=10, choices=RubricOrigin, default=RubricOrigin.AUTHORED)
    source = models.JSONField(default=dict, blank=True, help_text="Generated: model and prompt. Imported: file, row.")
    created_by = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    published_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["rubric", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["rubric", "number"], name="rubric_version_number_unique"),
            models.UniqueConstraint(
                fields=["rubric"], condition=Q(status="published"), name="rubric_has_one_version_in_force"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["published", "retired"]) | Q(published_by__isnull=False),
                name="rubric_version_published_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rubric}, version {self.number}"

    @property
    def is_open(self) -> bool:
        """Whether it may still be edited."""
        return self.status in (RubricStatus.WRITING, RubricStatus.REVIEW, RubricStatus.WEIGHING)


class RubricPart(models.Model):
    """Who did which part of a version made by a panel; four parts, four people."""

    version = models.ForeignKey(RubricVersion, on_delete=models.CASCADE, related_name="parts")
    role = models.CharField(max_length=14, choices=RubricRole)
    by = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    note = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "role"], name="one_person_in_each_part"),
            models.UniqueConstraint(fields=["version", "by"], name="one_part_for_each_person"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.by}"


class RubricCriterion(models.Model):
    """One atomic statement; a database trigger refuses to change one whose version was published."""

    version = models.ForeignKey(RubricVersion, on_delete=models.CASCADE, related_name="criteria")
    key = models.CharField(max_length=40, help_text="The same in every version that has this criterion.")
    position = models.PositiveIntegerField(default=0)
    text = models.TextField()
    points = models.SmallIntegerField(default=0)
    axis = models.CharField(max_length=14, choices=Axis, default=Axis.ACCURACY)
    evidence_required = models.BooleanField(default=False)
    never = models.BooleanField(default=False, help_text="Met, it makes the whole score 0.")
    per_turn = models.BooleanField(default=False, help_text="Judged at every agent turn, not once.")
    guideline = models.TextField(blank=True)
    examples = models.JSONField(default=list, blank=True, help_text="[{text, verdict}]")
    rule = models.JSONField(null=True, blank=True, help_text="Lets the rule-based judge rate it (agents.judge).")
    kept = models.BooleanField(default=True, help_text="False: the reviewer left it out.")
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="criterion_key_unique"),
            models.CheckConstraint(condition=Q(points__gte=-LARGEST, points__lte=LARGEST), name="criterion_points"),
            models.CheckConstraint(condition=Q(never=False) | Q(points__lt=0), name="never_is_negative"),
            models.CheckConstraint(condition=Q(axis__in=Axis.values), name="criterion_axis_known"),
        ]

    def __str__(self) -> str:
        return self.text[:80]

    def as_criterion(self) -> Criterion:
        """What judges and scores work with; its id is the key."""
        rule: dict[str, Any] | None = self.rule
        return Criterion(self.key, self.text, self.points, self.evidence_required, self.never, rule)
