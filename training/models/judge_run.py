"""A judge put on the items of a queue, as an instrument beside the physicians."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from clinic.models import StatusModel

if TYPE_CHECKING:
    from clinic.models import User


class JudgeRunStatus(models.TextChoices):
    QUEUED = "queued", "Waiting for a worker"
    RUNNING = "running", "Judging"
    SUCCEEDED = "succeeded", "Done"
    FAILED = "failed", "Broke off"


class JudgeRunQuerySet(models.QuerySet["JudgeRun"]):
    def visible_to(self, user: User) -> JudgeRunQuerySet:
        return self.filter(queue__site=user.site_id) if user.is_active and user.site_id else self.none()


class JudgeRun(StatusModel):
    """One judge on the items of one queue; asked for again, it goes on with what is missing or failed."""

    Status = JudgeRunStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "queued": frozenset({"running", "failed"}),
        "running": frozenset({"succeeded", "failed", "queued"}),
        "succeeded": frozenset({"queued"}),
        "failed": frozenset({"queued"}),
    }

    queue = models.ForeignKey("clinic.AnnotationQueue", on_delete=models.CASCADE, related_name="judge_runs")
    name = models.CharField(max_length=10, help_text="Which of the configured judges (training.judges).")
    judge = models.JSONField(help_text="Its identity: kind, model, digest of its prompts.")
    status = models.CharField(max_length=10, choices=JudgeRunStatus, default=JudgeRunStatus.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0, help_text="Verdicts that are errors still.")
    left_out = models.PositiveIntegerField(default=0, help_text="Consultations that this judge may not read.")
    error = models.TextField(blank=True)
    by = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When its worker last said that it lives.")
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JudgeRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["queue", "judge"], name="one_run_of_a_judge_in_a_queue")]

    def __str__(self) -> str:
        return f"{self.name} on {self.queue}"
