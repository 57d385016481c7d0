"""Django's handle on the clinic application."""

from django.apps import AppConfig


class ClinicConfig(AppConfig):
    name = "clinic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connects signals and checks; both need the models."""
        from clinic import checks, signals  # noqa: F401
