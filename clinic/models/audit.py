"""The append-only audit log: every row carries the hash of the one before it."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """Who did what to what, and when. A database trigger refuses UPDATE and DELETE."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    actor_name = models.CharField(max_length=160)
    site = models.ForeignKey("clinic.Site", null=True, on_delete=models.PROTECT, related_name="+")
    action = models.CharField(max_length=60)
    noun = models.CharField(max_length=40)
    target = models.CharField(max_length=160)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.noun} {self.target}"


class AuditHead(models.Model):
    """The newest entry, noted a second time: a log whose end was cut off no longer agrees with it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_audit_head")]

    def __str__(self) -> str:
        return f"audit head {self.seq}"
