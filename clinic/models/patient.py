"""A real person under care at a site; virtual and published cases have none."""

import uuid

from django.db import models


class Patient(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="patients")
    identifier = models.CharField(max_length=64, help_text="The site's own record number.")
    name = models.CharField(max_length=160, blank=True)
    birth_date = models.DateField(null=True, blank=True)
    sex = models.CharField(max_length=10, default="unknown")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "identifier"], name="patient_unique_at_site")]

    def __str__(self) -> str:
        return self.identifier
