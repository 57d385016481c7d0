"""A status is data: moved by compare-and-set along a table of allowed transitions, with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction

if TYPE_CHECKING:
    from clinic.models.user import User


class IllegalTransition(Exception):
    """The status table does not allow this move."""


class StaleStatus(Exception):
    """Somebody else moved it first; reload and look again."""


class StatusChange(models.Model):
    """One move of one row's status; rows are only ever added."""

    noun = models.CharField(max_length=40)
    target = models.CharField(max_length=40)
    old = models.CharField(max_length=20)
    new = models.CharField(max_length=20)
    reason = models.TextField(blank=True)
    by = models.ForeignKey("clinic.User", null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["noun", "target", "id"])]

    def __str__(self) -> str:
        return f"{self.noun} {self.target}: {self.old} → {self.new}"


class StatusModel(models.Model):
    """Gives a model `move_to`; nothing else assigns `.status`."""

    TRANSITIONS: ClassVar[dict[str, frozenset[str]]] = {}

    status: Any

    class Meta:
        abstract = True

    def move_to(self, new: str, *, by: User | None, reason: str = "", **changes: Any) -> None:
        """One UPDATE ... WHERE status = old with `changes`, and a history row, or an exception."""
        old = str(self.status)
        if new not in self.TRANSITIONS.get(old, frozenset()):
            raise IllegalTransition(f"{self._meta.model_name} cannot go from {old} to {new}")
        with transaction.atomic():
            moved = (
                type(self)._default_manager.filter(pk=self.pk, **{"status": old}).update(**{"status": new}, **changes)
            )
            if not moved:
                raise StaleStatus(f"{self._meta.model_name} {self.pk} is no longer {old}")
            StatusChange.objects.create(
                noun=str(self._meta.model_name), target=str(self.pk), old=old, new=str(new), by=by, reason=reason
            )
        self.status = new
        for field, value in changes.items():
            setattr(self, field, value)

    def history(self) -> models.QuerySet[StatusChange]:
        return StatusChange.objects.filter(noun=str(self._meta.model_name), target=str(self.pk))
