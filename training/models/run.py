"""Training runs: the row is the truth, a lease with a fencing token says who may write it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import F, Q

from clinic.models import StatusModel

if TYPE_CHECKING:
    from clinic.models import User


class TrainerName(models.TextChoices):
    SFT = "sft", "Supervised fine-tuning"
    REWARD = "reward", "Reward model"
    DPO = "dpo", "Preferences (DPO)"
    KTO = "kto", "Single verdicts (KTO)"
    GRPO = "grpo", "Reinforcement learning in the virtual clinic (GRPO)"
    WORLD = "world", "World model"


class RunStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Finished"
    FAILED = "failed", "Broke off"
    CANCELLED = "cancelled", "Cancelled"


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, user: User) -> RunQuerySet:
        return self.filter(site=user.site_id) if user.may_see_training and user.site_id else self.none()


class Run(StatusModel):
    """One training attempt. Only the holder of the newest `fence` may write progress, metrics and the outcome."""

    Status = RunStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "queued": frozenset({"running", "cancelled", "failed"}),
        # Running again: another worker took over a lease that had run out.
        "running": frozenset({"running", "succeeded", "failed", "cancelled"}),
        "succeeded": frozenset(),
        # Resumed from its last STABLE checkpoint.
        "failed": frozenset({"queued"}),
        "cancelled": frozenset({"queued"}),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="runs")
    name = models.CharField(max_length=160, blank=True)
    trainer = models.CharField(max_length=8, choices=TrainerName)
    recipe = models.CharField(max_length=80, help_text="A file of training/recipes.")
    config: Any = models.JSONField(default=dict, blank=True, help_text="What differs from the trainer's defaults.")
    seed = models.BigIntegerField(default=0)
    snapshot = models.ForeignKey(
        "training.Snapshot", null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    start = models.ForeignKey(
        "clinic.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="runs_from",
        help_text="The version whose weights it goes on from.",
    )
    version = models.OneToOneField(
        "clinic.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="run",
        help_text="What it made; one run makes one version at most.",
    )
    cloned_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="clones")
    schedule = models.ForeignKey(
        "training.Schedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    status = models.CharField(max_length=10, choices=RunStatus, default=RunStatus.QUEUED)
    fence = models.BigIntegerField(default=0, help_text="Grows with every claim; an older holder writes nothing.")
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=160, blank=True)
    child_pid = models.PositiveIntegerField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    doing = models.CharField(max_length=200, blank=True)
    device: Any = models.JSONField(default=dict, blank=True, help_text="What it runs on, and how full that is.")
    log = models.TextField(blank=True, help_text="The end of log.txt.")
    folder = models.CharField(max_length=120, help_text="Below the home's runs folder.")
    manifest: Any = models.JSONField(default=dict, blank=True, help_text="manifest.json of the finished run folder.")
    error = models.TextField(blank=True)
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["site", "-created_at"]), models.Index(fields=["status", "lease_until"])]
        constraints = [
            models.CheckConstraint(condition=Q(trainer__in=TrainerName.values), name="run_trainer_known"),
            models.CheckConstraint(
                condition=Q(status="running", lease_until__isnull=False)
                | (~Q(status="running") & Q(lease_until__isnull=True)),
                name="run_leased_exactly_while_running",
            ),
            models.CheckConstraint(
                condition=Q(version__isnull=True) | Q(status="succeeded"), name="only_a_finished_run_has_a_version"
            ),
            models.CheckConstraint(condition=Q(steps=0) | Q(step__lte=F("steps")), name="run_step_within_steps"),
        ]

    def __str__(self) -> str:
        return self.name or f"Run {str(self.id)[:8]}"

    @property
    def is_alive(self) -> bool:
        """It waits for a worker or one is at work on it."""
        return self.status in (RunStatus.QUEUED, RunStatus.RUNNING)


class RunMetric(models.Model):
    """One line of metrics.jsonl; a step that is done again after a resume replaces what was measured before."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    values: Any = models.JSONField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["step"]
        constraints = [models.UniqueConstraint(fields=["run", "step"], name="one_line_per_run_and_step")]

    def __str__(self) -> str:
        return f"step {self.step} of {self.run_id}"


class OutboxMessage(models.Model):
    """A task to send, written in the transaction that wants it; sent after the commit, and again until it was."""

    task = models.CharField(max_length=120)
    arguments: Any = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["id"], condition=Q(sent_at=None), name="outbox_unsent")]

    def __str__(self) -> str:
        return f"{self.task} {self.arguments}"


class Schedule(models.Model):
    """When a run begins by itself: in its window (UTC), with enough new feedback, and nothing in the way."""

    site = models.ForeignKey("clinic.Site", on_delete=models.CASCADE, related_name="schedules")
    name = models.CharField(max_length=120)
    trainer = models.CharField(max_length=8, choices=TrainerName)
    recipe = models.CharField(max_length=80)
    config: Any = models.JSONField(default=dict, blank=True)
    weekdays: Any = models.JSONField(default=list, help_text="0 is Monday; empty: every day.")
    opens = models.TimeField(help_text="UTC")
    closes = models.TimeField(help_text="UTC; before `opens` it ends on the next day.")
    at_least = models.PositiveIntegerField(default=50, help_text="Approved judgements since the last run.")
    enabled = models.BooleanField(default=True)
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    why_not = models.CharField(max_length=300, blank=True, help_text="What kept it from beginning at the last look.")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["site", "name"], name="schedule_name_once_per_site")]

    def __str__(self) -> str:
        return self.name
