"""Annotation: queues of consultations, and one judgement of one of them by a physician, a judge or an adjudicator."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q

from agents.rubrics import Verdict
from clinic.models.lifecycle import StatusModel

if TYPE_CHECKING:
    from clinic.models.user import User


class QueueKind(models.TextChoices):
    RUBRIC = "rubric", "Rate by rubric"
    PREFERENCE = "preference", "Prefer one of two"


class AnnotationQueueQuerySet(models.QuerySet["AnnotationQueue"]):
    def visible_to(self, user: User) -> AnnotationQueueQuerySet:
        return self.filter(site=user.site_id) if user.is_active and user.site_id else self.none()


class AnnotationQueue(models.Model):
    """What is to be judged, by how many, and how it was chosen."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="queues")
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=QueueKind, default=QueueKind.RUBRIC)
    query = models.JSONField(default=dict, blank=True, help_text="How its items were chosen (clinic.services.queues).")
    rubric_version = models.ForeignKey(
        "clinic.RubricVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: each item by its case's rubric, its complaint's, or the general one.",
    )
    overlap = models.PositiveSmallIntegerField(default=2, help_text="How many people judge each item.")
    blind = models.BooleanField(default=True, help_text="Nobody sees another's verdicts before their own are in.")
    reservation_minutes = models.PositiveSmallIntegerField(default=30)
    seed = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = AnnotationQueueQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.CheckConstraint(condition=Q(overlap__gte=1, overlap__lte=9), name="queue_overlap")]

    def __str__(self) -> str:
        return self.title


class QueueItem(models.Model):
    """One consultation to judge, or two to compare; `gold` and `repeat_of` test the annotators, not the agent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    queue = models.ForeignKey(AnnotationQueue, on_delete=models.CASCADE, related_name="items")
    consultation = models.ForeignKey("clinic.Consultation", on_delete=models.CASCADE, related_name="queue_items")
    other = models.ForeignKey(
        "clinic.Consultation", null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="A/B only."
    )
    rubric_version = models.ForeignKey(
        "clinic.RubricVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="items"
    )
    stratum = models.CharField(max_length=120, blank=True)
    position = models.PositiveIntegerField(default=0)
    wanted = models.PositiveSmallIntegerField(default=2, help_text="Submitted judgements that finish it.")
    submitted = models.PositiveSmallIntegerField(default=0, help_text="Kept by the service that submits and returns.")
    gold = models.BooleanField(default=False, help_text="Its authoritative annotation is known beforehand.")
    repeat_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="repeats", help_text="Self-consistency."
    )

    class Meta:
        ordering = ["position", "id"]
        indexes = [models.Index(fields=["queue", "position", "id"], name="item_in_its_place")]
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "consultation", "other", "repeat_of"],
                nulls_distinct=False,
                name="item_once_in_a_queue",
            ),
            models.CheckConstraint(
                condition=Q(other__isnull=True, rubric_version__isnull=False)
                | Q(other__isnull=False, rubric_version__isnull=True),
                name="item_has_a_rubric_or_another_to_compare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue}: {self.consultation}"


class AnnotationOrigin(models.TextChoices):
    PERSON = "person", "A physician"
    JUDGE = "judge", "A judge"
    ADJUDICATION = "adjudication", "An adjudicator"


class AnnotationStatus(models.TextChoices):
    OPEN = "open", "In work"
    SUBMITTED = "submitted", "Submitted"
    RETURNED = "returned", "Sent back"
    DECLINED = "declined", "Declined"
    EXPIRED = "expired", "Expired"


class Harm(models.TextChoices):
    NONE = "none", "None"
    MILD = "mild", "Mild"
    MODERATE = "moderate", "Moderate"
    SEVERE = "severe", "Severe"
    DEATH = "death", "Death"


class CorrectionKind(models.TextChoices):
    EXAMINATION = "examination", "Next examination"
    DIAGNOSIS = "diagnosis", "Diagnosis"


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    def visible_to(self, user: User) -> AnnotationQuerySet:
        return self.filter(item__queue__site=user.site_id) if user.is_active and user.site_id else self.none()


class Annotation(StatusModel):
    """One judgement of one item. OPEN is also its reservation: after `reserved_until` somebody else may take it."""

    Status = AnnotationStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "open": frozenset({"submitted", "declined", "expired"}),
        "submitted": frozenset({"returned"}),
        "returned": frozenset({"submitted", "declined", "expired"}),
        "declined": frozenset(),
        "expired": frozenset({"open"}),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item = models.ForeignKey(QueueItem, on_delete=models.CASCADE, related_name="annotations")
    origin = models.CharField(max_length=12, choices=AnnotationOrigin, default=AnnotationOrigin.PERSON)
    annotator = models.ForeignKey(
        "clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="annotations"
    )
    assigned_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=AnnotationStatus, default=AnnotationStatus.OPEN)
    rubric_version = models.ForeignKey(
        "clinic.RubricVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="annotations"
    )
    reserved_until = models.DateTimeField(null=True, blank=True, help_text="Empty: assigned, and kept until done.")
    draft = models.JSONField(default=dict, blank=True, help_text="The sheet as typed; what counts are the ratings.")
    draft_number = models.PositiveIntegerField(default=0, help_text="A late draft never replaces a newer one.")
    started_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    seconds = models.PositiveIntegerField(null=True, blank=True, help_text="With the sheet in front, as measured.")
    first_wrong_turn = models.PositiveIntegerField(null=True, blank=True)
    correction_kind = models.CharField(max_length=12, choices=CorrectionKind, blank=True)
    correction = models.CharField(max_length=300, blank=True)
    harm = models.CharField(max_length=10, choices=Harm, blank=True)
    critique = models.TextField(blank=True)
    reason = models.TextField(blank=True, help_text="Why declined, sent back, or settled in this way.")
    swapped = models.BooleanField(default=False, help_text="A/B: the second consultation was shown first.")
    authoritative = models.BooleanField(default=False)
    judge = models.JSONField(default=dict, blank=True, help_text="Which judge: model and digest of its prompts.")
    score = models.FloatField(null=True, blank=True)
    coverage = models.FloatField(null=True, blank=True)
    feedback = models.OneToOneField(
        "clinic.Feedback", null=True, blank=True, on_delete=models.SET_NULL, related_name="annotation"
    )

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        ordering = ["started_at"]
        indexes = [
            models.Index(fields=["annotator", "status", "-submitted_at"]),
            models.Index(fields=["status", "reserved_until"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(authoritative=True), name="one_authoritative_annotation"
            ),
            models.UniqueConstraint(
                fields=["item", "annotator"],
                condition=Q(status__in=["open", "submitted", "returned"], origin="person"),
                name="one_live_annotation_for_each_person",
            ),
            models.CheckConstraint(
                condition=Q(origin="judge", annotator__isnull=True) | ~Q(origin="judge") & Q(annotator__isnull=False),
                name="only_a_judge_has_no_name",
            ),
            models.CheckConstraint(
                condition=Q(authoritative=False) | Q(status="submitted") & ~Q(origin="judge"),
                name="authoritative_is_submitted_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.annotator or 'judge'} on {self.item}"


class Rating(models.Model):
    """One criterion's verdict in one annotation; `turn` where the criterion is judged turn by turn."""

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="ratings")
    criterion = models.ForeignKey("clinic.RubricCriterion", on_delete=models.PROTECT, related_name="ratings")
    turn = models.PositiveIntegerField(null=True, blank=True)
    verdict = models.CharField(max_length=14, choices=[(v.value, v.value.replace("_", " ")) for v in Verdict])
    evidence = models.TextField(blank=True, help_text="Words of the transcript, as they stand there.")
    evidence_turn = models.PositiveIntegerField(null=True, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["criterion__position", "turn"]
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "criterion", "turn"], nulls_distinct=False, name="one_verdict_for_each"
            ),
            models.CheckConstraint(condition=Q(verdict__in=[v.value for v in Verdict]), name="verdict_known"),
        ]

    def __str__(self) -> str:
        return f"{self.criterion.key}: {self.verdict}"


class Dimension(models.TextChoices):
    PROACTIVENESS = "proactiveness", "Proactiveness"
    ACCURACY = "accuracy", "Accuracy"
    USEFULNESS = "usefulness", "Usefulness"
    LANGUAGE = "language", "Language"


class Choice(models.TextChoices):
    FIRST = "first", "The item's consultation"
    SECOND = "second", "The other one"
    SAME = "same", "No difference"


class Preference(models.Model):
    """Which of an item's two consultations is better in one dimension, whatever the order they were shown in."""

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="preferences")
    dimension = models.CharField(max_length=14, choices=Dimension)
    choice = models.CharField(max_length=6, choices=Choice)
    why = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotation", "dimension"], name="one_preference_for_each_dimension")
        ]

    def __str__(self) -> str:
        return f"{self.dimension}: {self.choice}"
