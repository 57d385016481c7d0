"""Django's handle on the training application."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """The clinic asks what only this room knows; it may not look here itself."""
        from clinic.learnable import MEASURED
        from clinic.services.agent_turns import COMPLETED
        from clinic.services.cases import FORGETS
        from training.measured import measured
        from training.serving.shadowing import on_turn
        from training.snapshots.forgetting import forget

        MEASURED.append(measured)
        FORGETS.append(forget)
        COMPLETED.append(on_turn)
