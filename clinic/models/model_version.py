"""Registered versions of the agent, world model and judge, and the endpoints that serve them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from clinic.models.lifecycle import StatusModel


class ModelRole(models.TextChoices):
    AGENT = "agent", "Agent"
    WORLD = "world", "World model"
    JUDGE = "judge", "Judge"


class VersionStatus(models.TextChoices):
    CANDIDATE = "candidate", "Candidate"
    SHADOW = "shadow", "Shadow"
    CANARY = "canary", "Canary"
    SERVING = "serving", "Serving"
    RETIRED = "retired", "Retired"


class Training(models.TextChoices):
    UNTRAINED = "untrained", "Untrained base model"
    VIRTUAL = "virtual", "Trained on virtual patients, not validated on real ones"
    EXTERNAL = "external", "External model, not evaluated here"


class ModelVersion(StatusModel):
    """A named set of weights for one role. `version` is derived from content and never reused."""

    Role = ModelRole
    Status = VersionStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "candidate": frozenset({"shadow", "canary", "serving", "retired"}),
        "shadow": frozenset({"canary", "serving", "retired"}),
        "canary": frozenset({"serving", "retired"}),
        "serving": frozenset({"retired"}),
        "retired": frozenset({"serving"}),
    }

    role = models.CharField(max_length=8, choices=ModelRole)
    version = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=160)
    status = models.CharField(max_length=10, choices=VersionStatus, default=VersionStatus.CANDIDATE)
    training = models.CharField(max_length=12, choices=Training, default=Training.UNTRAINED)
    base = models.CharField(max_length=80, help_text="sha256 of the base weights, or the served name where unknown.")
    adapter = models.CharField(max_length=80, blank=True)
    codec = models.CharField(max_length=20, default="structured")
    manifest = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["role"], condition=models.Q(status="serving"), name="one_serving_version_per_role"
            )
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def may_see_patients(self) -> bool:
        """While an untrained version serves, or one for demonstrations only, patient cases are refused."""
        return self.training != Training.UNTRAINED and not self.manifest.get("demo")


class Endpoint(models.Model):
    """Where a version is served. The key itself stays in the environment; only its variable's name is kept."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="endpoints")
    url = models.CharField(max_length=300)
    model_name = models.CharField(max_length=160, help_text="The name the server knows it by.")
    api_key_variable = models.CharField(max_length=60, blank=True)
    engine = models.CharField(max_length=80, blank=True)
    traffic_share = models.FloatField(default=1.0)
    active = models.BooleanField(default=True)
    probed_at = models.DateTimeField(null=True, blank=True)
    probe_ok = models.BooleanField(null=True)
    probe_ms = models.FloatField(null=True, blank=True)
    identity_at = models.DateTimeField(null=True, blank=True)
    identity_ok = models.BooleanField(null=True, help_text="Whether the fixed probes answered as this version does.")
    identity_detail = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(traffic_share__gte=0, traffic_share__lte=1), name="traffic_share_0_to_1"
            ),
            models.UniqueConstraint(
                fields=["model_version"], condition=models.Q(active=True), name="one_active_endpoint_per_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_name} at {self.url}"
