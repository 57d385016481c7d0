"""One multi-turn diagnostic interview on a case."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from clinic.models.case import CaseKind
from clinic.models.judgement import Handover
from clinic.models.lifecycle import StatusModel
from clinic.models.user import Role
from clinic.models.world import WorldBackend

if TYPE_CHECKING:
    from clinic.models.user import User


class ConsultationStatus(models.TextChoices):
    WAITING = "waiting", "Waiting for you"
    THINKING = "thinking", "Agent is working"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Agent did not answer"
    DIAGNOSED = "diagnosed", "Diagnosis reached"
    DEFERRED = "deferred", "Agent deferred"
    CLOSED = "closed", "Closed"


class ConsultationQuerySet(models.QuerySet["Consultation"]):
    def visible_to(self, user: User) -> ConsultationQuerySet:
        """A clinician's own and those handed over to others; the whole site's for those who judge or administer;

        never patients' for researchers.
        """
        if not user.is_active or user.site_id is None:
            return self.none()
        consultations = self.filter(site=user.site_id, case__deleted_at=None)
        if user.role == Role.CLINICIAN:
            given = Handover.objects.filter(consultation=models.OuterRef("pk"), sender=user)
            return consultations.filter(models.Q(clinician=user) | models.Exists(given))
        if user.role == Role.RESEARCHER:
            return consultations.exclude(case__kind=CaseKind.PATIENT)
        return consultations

    def steerable_by(self, user: User) -> ConsultationQuerySet:
        """Only the clinician who holds it may answer, stop or close it; who handed it over reads on."""
        return self.visible_to(user).filter(clinician=user)


class Consultation(StatusModel):
    Status = ConsultationStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "waiting": frozenset({"thinking", "closed"}),
        "thinking": frozenset({"waiting", "stopped", "failed", "diagnosed", "deferred"}),
        "stopped": frozenset({"thinking", "closed", "waiting"}),
        "failed": frozenset({"thinking", "closed", "waiting"}),
        "diagnosed": frozenset({"thinking", "waiting", "closed"}),
        "deferred": frozenset({"thinking", "waiting", "closed"}),
        "closed": frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="consultations")
    case = models.ForeignKey("clinic.Case", on_delete=models.CASCADE, related_name="consultations")
    clinician = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="consultations")
    status = models.CharField(max_length=12, choices=ConsultationStatus, default=ConsultationStatus.WAITING)
    model_version = models.ForeignKey(
        "clinic.ModelVersion",
        on_delete=models.PROTECT,
        related_name="consultations",
        help_text="Pinned from the first turn to the last.",
    )
    endpoint = models.ForeignKey("clinic.Endpoint", on_delete=models.PROTECT, related_name="consultations")
    agent_called = models.BooleanField(
        default=True, help_text="False while the clinician plays a virtual or published case alone."
    )
    independent_first = models.BooleanField(
        default=False, help_text="The agent's differential stays hidden until the clinician has committed one."
    )
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateField(null=True, blank=True)
    pause_note = models.TextField(blank=True)
    world = models.CharField(max_length=10, choices=WorldBackend, default=WorldBackend.OWN)
    world_version = models.ForeignKey(
        "clinic.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The world model's, pinned from the first result to the last.",
    )
    world_seed = models.BigIntegerField(null=True, blank=True)
    world_case_kind = models.CharField(
        max_length=10, null=True, blank=True, help_text="The case's kind, where a language world answers."
    )
    last_seq = models.BigIntegerField(default=0)
    diagnosis = models.TextField(blank=True, help_text="The clinician's, at closing.")
    closing_note = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ConsultationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["clinician", "-created_at"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="closed", closed_at__isnull=False)
                | (~models.Q(status="closed") & models.Q(closed_at__isnull=True)),
                name="consultation_closed_at_exactly_when_closed",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    world=WorldBackend.OWN,
                    world_version__isnull=True,
                    world_seed__isnull=True,
                    world_case_kind__isnull=True,
                )
                | models.Q(
                    world=WorldBackend.LANGUAGE,
                    world_version__isnull=False,
                    world_seed__isnull=False,
                    # NULL in a list is unknown, and a constraint lets the unknown pass.
                    world_case_kind__isnull=False,
                    world_case_kind__in=[CaseKind.RECORD, CaseKind.VIRTUAL],
                ),
                name="language_world_never_on_a_real_patient",
            ),
        ]

    def __str__(self) -> str:
        return f"Consultation {str(self.id)[:8]}"


class TurnRole(models.TextChoices):
    AGENT = "agent", "Agent"
    CLINICIAN = "clinician", "Clinician"
    PATIENT = "patient", "Patient"
    ENVIRONMENT = "environment", "Result"


class TurnStatus(models.TextChoices):
    STREAMING = "streaming", "Streaming"
    COMPLETE = "complete", "Complete"
    FAILED = "failed", "Failed"
    STOPPED = "stopped", "Stopped"


class Turn(StatusModel):
    """One numbered utterance of anyone. An agent's turn is produced under a lease; `attempt` is its fencing token."""

    Role = TurnRole
    Status = TurnStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "streaming": frozenset({"complete", "failed", "stopped"}),
        "complete": frozenset(),
        "failed": frozenset(),
        "stopped": frozenset(),
    }

    consultation = models.ForeignKey(Consultation, on_delete=models.CASCADE, related_name="turns")
    number = models.PositiveIntegerField()
    role = models.CharField(max_length=12, choices=TurnRole)
    status = models.CharField(max_length=10, choices=TurnStatus, default=TurnStatus.COMPLETE)
    text = models.TextField(blank=True, help_text="What was said: reason, answer, result or message.")
    action = models.JSONField(null=True, blank=True, help_text="The agent's parsed action (contracts.md).")
    request = models.CharField(max_length=300, blank=True, help_text="Environment: what was asked for.")
    matched = models.CharField(max_length=200, blank=True, help_text="Environment: what it was read as.")
    source = models.CharField(max_length=12, blank=True, help_text="entered, recorded, simulated, unavailable")
    forced = models.BooleanField(default=False, help_text="Asked for at the turn cap.")
    by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    policy = models.JSONField(null=True, blank=True, help_text="Identity of the policy that spoke.")
    attempt = models.PositiveIntegerField(default=0)
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    first_token_ms = models.FloatField(null=True, blank=True)
    tokens = models.PositiveIntegerField(null=True, blank=True)
    dropped = models.JSONField(default=list, blank=True, help_text="Why answers before this one were dropped unseen.")
    retracted_at = models.DateTimeField(null=True, blank=True, help_text="Undone: kept, shown struck, never told on.")
    retracted_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["consultation", "number"], name="turn_number_unique"),
            models.UniqueConstraint(
                fields=["consultation"], condition=models.Q(status="streaming"), name="one_streaming_turn"
            ),
        ]

    def __str__(self) -> str:
        return f"turn {self.number} ({self.role})"


class ModelOutput(models.Model):
    """What the model said, byte for byte, one row an attempt; a partial attempt is kept and marked."""

    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="outputs")
    attempt = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    complete = models.BooleanField(default=False)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["turn", "attempt"], name="output_once_per_attempt")]

    def __str__(self) -> str:
        return f"{self.turn} attempt {self.attempt}"


class EventType(models.TextChoices):
    STATE = "state"
    TOKEN = "token"
    TURN = "turn"
    DONE = "done"
    ERROR = "error"


class Event(models.Model):
    """What a socket was told or will be: the stored batches are the truth, a group message only wakes."""

    Type = EventType

    consultation = models.ForeignKey(Consultation, on_delete=models.CASCADE, related_name="events")
    turn = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(default=1)
    seq = models.BigIntegerField()
    type = models.CharField(max_length=8, choices=EventType)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["consultation", "seq"], name="event_seq_unique"),
            models.UniqueConstraint(fields=["consultation", "turn", "attempt", "seq"], name="event_contract_key"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"

    def as_dict(self) -> dict[str, object]:
        return {"type": self.type, "turn": self.turn, "attempt": self.attempt, "seq": self.seq, "data": self.data}
