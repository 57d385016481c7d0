"""What the checks of the virtual clinic's knowledge last found, one row per version of the knowledge."""

from django.db import models


class KnowledgeCheck(models.Model):
    version = models.CharField(max_length=64, unique=True, help_text="Content hash of the knowledge files.")
    conditions = models.PositiveIntegerField(default=0)
    gates = models.JSONField(default=dict)
    reliability = models.JSONField(default=list)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"knowledge {self.version}"

    @property
    def holds(self) -> bool:
        return bool(self.gates) and all(gate["holds"] for gate in self.gates.values())
