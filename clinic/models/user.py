"""The people who use Rounds, their roles, and how they are invited."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class Role(models.TextChoices):
    CLINICIAN = "clinician", "Clinician"
    ANNOTATOR = "annotator", "Annotator"
    ADJUDICATOR = "adjudicator", "Adjudicator"
    RESEARCHER = "researcher", "Researcher"
    ADMIN = "admin", "Administrator"


class User(AbstractUser):
    """One person at one site. Disabled people keep their history: they are never deleted."""

    email = models.EmailField("e-mail address", unique=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.CLINICIAN)
    site = models.ForeignKey("clinic.Site", on_delete=models.PROTECT, related_name="people", null=True)
    is_demo = models.BooleanField(default=False, help_text="A published login; refused in production.")
    disabled_at = models.DateTimeField(null=True, blank=True)
    independent_first = models.BooleanField(null=True, blank=True, default=None, help_text="None: as the site has it.")
    conventional_units = models.BooleanField(null=True, blank=True, default=None, help_text="None: as results come.")
    seen_version = models.ForeignKey(
        "clinic.ModelVersion",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The agent's version whose release note this person last read.",
    )

    class Meta:
        ordering = ["last_name", "first_name", "username"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_without_case"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_known"),
        ]

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username

    @property
    def is_site_admin(self) -> bool:
        return self.is_active and self.role == Role.ADMIN

    @property
    def may_consult(self) -> bool:
        return self.is_active and self.role in (Role.CLINICIAN, Role.ADMIN)

    @property
    def may_annotate(self) -> bool:
        return self.is_active and self.role in (Role.ANNOTATOR, Role.ADJUDICATOR)

    @property
    def may_adjudicate(self) -> bool:
        return self.is_active and self.role == Role.ADJUDICATOR

    @property
    def may_see_training(self) -> bool:
        """Snapshots, runs, gates, drift: who runs the agent, who signs for it, who studies it."""
        return self.is_active and self.role in (Role.ADJUDICATOR, Role.RESEARCHER, Role.ADMIN)

    @property
    def may_run_queues(self) -> bool:
        """Builds queues, sees who judged what, sends back and reassigns."""
        return self.is_active and self.role in (Role.ADJUDICATOR, Role.ADMIN)


class Invitation(models.Model):
    """A single-use link to join a site; only the token's hash is kept."""

    email = models.EmailField()
    role = models.CharField(max_length=20, choices=Role)
    site = models.ForeignKey("clinic.Site", on_delete=models.CASCADE)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", help_text="Nobody: a command on the server."
    )
    invited_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-invited_at"]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"
