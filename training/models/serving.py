"""How versions came to serve and went, what a shadow would have said, and alarms that people must look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from clinic.models import User


class DeploymentKind(models.TextChoices):
    SHADOW = "shadow", "Shadow"
    CANARY = "canary", "Canary"
    FULL = "full", "Full"
    ROLLBACK = "rollback", "Rolled back"
    WITHDRAWN = "withdrawn", "Taken out"


class Deployment(models.Model):
    """One decision about which version serves; rows are only ever added."""

    version = models.ForeignKey("clinic.ModelVersion", on_delete=models.PROTECT, related_name="deployments")
    before = models.ForeignKey("clinic.ModelVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=DeploymentKind)
    share = models.FloatField(default=1.0, help_text="Of new consultations.")
    gate = models.ForeignKey("training.Gate", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="From the press of the button to the switch.")
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=DeploymentKind.values), name="deployment_kind_known"),
            models.CheckConstraint(condition=Q(share__gte=0, share__lte=1), name="deployment_share_0_to_1"),
        ]

    def __str__(self) -> str:
        return f"{self.version}: {self.get_kind_display()}"


class ShadowTurn(models.Model):
    """What a version in shadow answered to a prompt that another one served; never shown in the consultation."""

    version = models.ForeignKey("clinic.ModelVersion", on_delete=models.PROTECT, related_name="shadow_turns")
    turn = models.ForeignKey("clinic.Turn", on_delete=models.CASCADE, related_name="shadows")
    text = models.TextField(blank=True)
    action: Any = models.JSONField(null=True, blank=True)
    identity: Any = models.JSONField(default=dict, blank=True)
    same_action = models.BooleanField(null=True)
    error = models.TextField(blank=True)
    seconds = models.FloatField(default=0.0)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "turn"], name="shadow_once_per_version_and_turn")]

    def __str__(self) -> str:
        return f"{self.version} beside turn {self.turn_id}"


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def visible_to(self, user: User) -> AlarmQuerySet:
        """Of the site, and those of the whole installation."""
        if not user.may_see_training:
            return self.none()
        return self.filter(Q(site=user.site_id) | Q(site=None))


class Alarm(models.Model):
    """Something that a person must look at; one open row per kind and subject."""

    site = models.ForeignKey("clinic.Site", null=True, blank=True, on_delete=models.CASCADE, related_name="alarms")
    kind = models.CharField(max_length=40, help_text="identity, drift.<measure>, plausibility, run, disk")
    subject = models.CharField(max_length=160, help_text="A version, a run, a measure.")
    message = models.TextField()
    data: Any = models.JSONField(default=dict, blank=True)
    raised_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now=True)
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    cleared_why = models.TextField(blank=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ["-raised_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "kind", "subject"],
                condition=Q(cleared_at=None),
                nulls_distinct=False,
                name="one_open_alarm_per_kind_and_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"
