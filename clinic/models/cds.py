"""Outside systems that call Rounds by CDS Hooks, and what they reported back."""

from __future__ import annotations

import uuid

from django.db import models


class CdsClient(models.Model):
    """An EHR that may call: its tokens carry `issuer` and are signed with the private half of one of `keys`."""

    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="cds_clients")
    name = models.CharField(max_length=160)
    issuer = models.CharField(max_length=300, unique=True)
    keys = models.JSONField(help_text="A JSON Web Key Set of public keys.")
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey("clinic.User", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CdsCard(models.Model):
    """A card that was given out, so that feedback on it can be told apart from noise."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(CdsClient, on_delete=models.CASCADE, related_name="cards")
    consultation = models.ForeignKey(
        "clinic.Consultation", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    service = models.CharField(max_length=80)
    summary = models.CharField(max_length=140)
    outcome = models.CharField(max_length=20, blank=True, help_text="accepted or overridden, once reported.")
    feedback = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)
    reported_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.summary
