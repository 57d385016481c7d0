"""Django's handle on the training application."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """The clinic asks which cases were measured on; it may not look here itself."""
        from clinic.learnable import MEASURED
        from training.measured import measured

        MEASURED.append(measured)
