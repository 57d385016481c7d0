"""Evaluations of a policy by a protocol of DiagBench, and every consultation that was played in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Count, Q

from agents.types import End
from clinic.models import StatusModel

if TYPE_CHECKING:
    from clinic.models import User


class Protocol(models.TextChoices):
    SINGLE_TURN = "single-turn", "Single turn"
    END_TO_END = "end-to-end", "End to end"
    RUBRIC = "rubric", "Rubric"


class EvaluationStatus(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Finished"
    FAILED = "failed", "Broke off"


class EvaluationQuerySet(models.QuerySet["Evaluation"]):
    def visible_to(self, user: User) -> EvaluationQuerySet:
        """Everyone of the site: what is evaluated on is virtual or published, never a real patient."""
        if not user.is_active or user.site_id is None:
            return self.none()
        return self.filter(site=user.site_id)


class Evaluation(StatusModel):
    """One policy on one set of cases. `folder` names where its finished cases lie, so that it can go on."""

    Status = EvaluationStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "queued": frozenset({"running", "failed"}),
        "running": frozenset({"succeeded", "failed"}),
        # Asked for again: cases whose environment failed are played once more.
        "succeeded": frozenset({"running"}),
        "failed": frozenset({"running"}),
    }

    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="evaluations")
    protocol = models.CharField(max_length=12, choices=Protocol)
    case_set = models.CharField(max_length=80)
    case_seed = models.BigIntegerField(default=0)
    policy = models.CharField(max_length=200)
    identity = models.JSONField(default=dict, help_text="Identity of the policy (contracts.md).")
    seed = models.BigIntegerField(default=0)
    limit = models.PositiveIntegerField(null=True, blank=True)
    limits: Any = models.JSONField(default=dict, help_text="When a consultation ends on its own (agents.rollout).")
    contents = models.CharField(max_length=80, blank=True, help_text="Changes with what the cases say.")
    judge: Any = models.JSONField(default=dict, blank=True, help_text="Identity of the judge; empty: none was asked.")
    status = models.CharField(max_length=10, choices=EvaluationStatus, default=EvaluationStatus.QUEUED)
    doing = models.CharField(max_length=200, blank=True, help_text="Whose consultations are being played.")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    summary = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    folder = models.CharField(max_length=120)
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = EvaluationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "folder", "limit"], nulls_distinct=False, name="evaluation_once_per_folder_and_limit"
            ),
            models.CheckConstraint(condition=Q(done__lte=models.F("total")), name="evaluation_done_within_total"),
        ]
        indexes = [models.Index(fields=["site", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.policy} on {self.case_set}, {self.get_protocol_display().lower()}"

    @property
    def is_virtual(self) -> bool:
        return self.case_set.startswith("virtual:")

    @property
    def judging_model(self) -> str:
        """The model that judged, '' where only rules and tables did."""
        return str(self.judge.get("model", "")) if self.judge.get("kind") == "language" else ""


class CaseEnd(models.TextChoices):
    """What came of one case; the same words as its badge."""

    RIGHT = "right", "Right"
    WRONG = "wrong", "Wrong"
    DEFERRED = "deferred", "Deferred"
    UNFINISHED = "unfinished", "No diagnosis"
    FAILED = "failed", "No outcome"


OF_END = {
    CaseEnd.RIGHT: Q(correct=True),
    CaseEnd.WRONG: Q(correct=False, end=End.FINISH),
    CaseEnd.DEFERRED: Q(correct=False, end=End.DEFER),
    CaseEnd.UNFINISHED: Q(correct=False) & ~Q(end__in=(End.FINISH, End.DEFER)),
    CaseEnd.FAILED: Q(correct=None),
}


class EvaluatedEpisodeQuerySet(models.QuerySet["EvaluatedEpisode"]):
    def that_ended(self, name: str) -> EvaluatedEpisodeQuerySet:
        """Those that ended so; all where the name is none."""
        return self.filter(OF_END[CaseEnd(name)]) if name in CaseEnd.values else self.all()

    def by_end(self) -> dict[CaseEnd, int]:
        """How many ended in each way."""
        counts = self.aggregate(**{ended: Count("pk", filter=meant) for ended, meant in OF_END.items()})
        return {ended: counts[ended] for ended in OF_END}


class EvaluatedEpisode(models.Model):
    """One case of an evaluation. `correct` is None without an outcome; single-turn plays no episode."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="episodes")
    number = models.PositiveIntegerField(help_text="Place of the case in its set, from 1.")
    case = models.CharField(max_length=160)
    opening = models.JSONField(default=dict, help_text="What the policy was told first: age, sex, complaint, history.")
    answer = models.TextField(blank=True)
    end = models.CharField(max_length=12, blank=True)
    diagnosis = models.TextField(blank=True)
    correct = models.BooleanField(null=True)
    turns = models.PositiveIntegerField(default=0)
    cost = models.FloatField(default=0.0, help_text="US dollars.")
    result = models.JSONField(default=dict, help_text="Everything the protocol measured on this case.")
    episode: Any = models.JSONField(null=True, blank=True, help_text="The Episode of contracts.md.")

    objects = EvaluatedEpisodeQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["evaluation", "case"], name="evaluated_once_per_case")]

    def __str__(self) -> str:
        return f"{self.case} in evaluation {self.evaluation_id}"
