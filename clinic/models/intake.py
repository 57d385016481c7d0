"""An intake as typed, before it is a case: nothing in it counts until its clinician confirms it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from clinic.models.user import User


class IntakeDraftQuerySet(models.QuerySet["IntakeDraft"]):
    def visible_to(self, user: User) -> IntakeDraftQuerySet:
        """A draft belongs to who types it, and ends when it becomes a case."""
        return self.filter(by=user, case=None) if user.is_active else self.none()


class IntakeDraft(models.Model):
    """`fields` holds the form as typed, `proposals` the coded findings read from a note and what became of each."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey("clinic.User", on_delete=models.CASCADE, related_name="intake_drafts")
    fields = models.JSONField(default=dict, blank=True)
    proposals = models.JSONField(default=list, blank=True)
    case = models.OneToOneField("clinic.Case", null=True, blank=True, on_delete=models.SET_NULL, related_name="intake")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = IntakeDraftQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return f"intake of {self.updated_at:%Y-%m-%d %H:%M}"
