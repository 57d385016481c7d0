"""What must be ruled out before a consultation closes, and the red flags that its facts raised."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from clinic.models.lifecycle import StatusModel


class LedgerStatus(models.TextChoices):
    OPEN = "open", "Open"
    EXCLUDED = "excluded", "Excluded"
    ACCEPTED = "accepted", "Accepted as open"


class LedgerOrigin(models.TextChoices):
    KNOWLEDGE = "knowledge", "Can’t miss in this complaint"
    RED_FLAG = "red_flag", "Raised by a red flag"
    AGENT = "agent", "Added by the agent"
    CLINICIAN = "clinician", "Added by the clinician"


class LedgerEntry(StatusModel):
    """One can't-miss hypothesis of one consultation. Only a person moves it; the agent can add but never remove."""

    Status = LedgerStatus
    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {
        "open": frozenset({"excluded", "accepted"}),
        "excluded": frozenset({"open", "accepted"}),
        "accepted": frozenset({"open", "excluded"}),
    }

    consultation = models.ForeignKey("clinic.Consultation", on_delete=models.CASCADE, related_name="ledger")
    key = models.CharField(max_length=200, help_text="The knowledge's condition, or the folded name outside of it.")
    name = models.CharField(max_length=200)
    origin = models.CharField(max_length=10, choices=LedgerOrigin)
    status = models.CharField(max_length=10, choices=LedgerStatus, default=LedgerStatus.OPEN)
    evidence = models.JSONField(default=list, blank=True, help_text="[{finding, name, text}] that exclude it.")
    reason = models.TextField(blank=True)
    decided_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["consultation", "key"], name="ledger_entry_once"),
            models.CheckConstraint(
                condition=Q(status=LedgerStatus.OPEN) | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="ledger_decided_by_someone",
            ),
            models.CheckConstraint(
                condition=~Q(status=LedgerStatus.ACCEPTED) | ~Q(reason=""), name="ledger_accepted_with_a_reason"
            ),
            models.CheckConstraint(
                condition=~Q(status=LedgerStatus.EXCLUDED) | ~Q(evidence=[]), name="ledger_excluded_by_evidence"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.status}"


class RedFlagAlert(models.Model):
    """A rule that this consultation's facts broke. No model text raises it, and none takes it away."""

    consultation = models.ForeignKey("clinic.Consultation", on_delete=models.CASCADE, related_name="red_flags")
    flag = models.CharField(max_length=80)
    says = models.CharField(max_length=300)
    because = models.JSONField(default=list)
    consider = models.JSONField(default=list, help_text="Conditions of the knowledge to exclude.")
    raised_at = models.DateTimeField(auto_now_add=True)
    acknowledged_by = models.ForeignKey(
        "clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["consultation", "flag"], name="red_flag_once")]

    def __str__(self) -> str:
        return self.says
