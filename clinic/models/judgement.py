"""A clinician's own judgement beside the agent's: before it is seen, at handover, and when the outcome is known."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone


class Commitment(models.Model):
    """The differential a clinician committed to before the agent's was revealed; never changed afterwards."""

    consultation = models.OneToOneField("clinic.Consultation", on_delete=models.CASCADE, related_name="commitment")
    differential = models.JSONField(
        help_text="[{diagnosis, condition, probability, rests_on}] in the clinician's order."
    )
    next_examination = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"committed in {self.consultation}"


class Certainty(models.TextChoices):
    CONFIRMED = "confirmed", "Confirmed"
    PROBABLE = "probable", "Probable"
    UNRESOLVED = "unresolved", "Never resolved"


class Outcome(models.Model):
    """What it turned out to be, recorded later; the latest row counts, the earlier ones stay."""

    consultation = models.ForeignKey("clinic.Consultation", on_delete=models.CASCADE, related_name="outcomes")
    diagnosis = models.CharField(max_length=300)
    condition = models.CharField(max_length=80, blank=True, help_text="The knowledge's condition, where it is one.")
    certainty = models.CharField(max_length=12, choices=Certainty, default=Certainty.CONFIRMED)
    harm = models.CharField(max_length=300, blank=True, help_text="What went wrong for the patient, if anything.")
    note = models.TextField(blank=True)
    by = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.diagnosis


class Handover(models.Model):
    """From one clinician to the next, with what the next one must know."""

    consultation = models.ForeignKey("clinic.Consultation", on_delete=models.CASCADE, related_name="handovers")
    sender = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    receiver = models.ForeignKey("clinic.User", on_delete=models.PROTECT, related_name="+")
    note = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.sender} → {self.receiver}"


PATIENCE = timedelta(minutes=5)


class DraftStatus(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class TurnDrafts(models.Model):
    """Other answers the same agent gave to the same question: how consistent it is at one turn."""

    turn = models.OneToOneField("clinic.Turn", on_delete=models.CASCADE, related_name="drafts")
    wanted = models.PositiveSmallIntegerField()
    drafts = models.JSONField(default=list, help_text="[{seed, action}] of the answers that could be read.")
    failed = models.PositiveSmallIntegerField(default=0)
    policy = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=8, choices=DraftStatus, default=DraftStatus.WAITING)
    at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{len(self.drafts)} of {self.wanted} drafts of {self.turn}"

    @property
    def is_stuck(self) -> bool:
        """Asked for so long ago that whoever was to draw them is gone; they may be asked for again."""
        return self.status == DraftStatus.WAITING and self.at < timezone.now() - PATIENCE
