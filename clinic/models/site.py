"""A site: the hospital or practice whose people and cases belong together."""

from django.db import models


class Site(models.Model):
    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(unique=True)
    time_zone = models.CharField(max_length=60, default="UTC")
    accepts_patient_cases = models.BooleanField(
        default=False, help_text="Real patients' cases; refused in any event while an untrained agent serves."
    )
    requires_second_factor = models.BooleanField(default=False)
    independent_first = models.BooleanField(
        default=False, help_text="Clinicians commit a differential before they see the agent's."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
