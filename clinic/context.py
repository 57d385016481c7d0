"""What every template may show: where we are, who serves, what this person prefers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from clinic.models import Endpoint, ModelRole, ModelVersion, Training, VersionStatus
from clinic.preferences import Preferences

WARNINGS = {
    Training.UNTRAINED: (
        "Untrained base model serves.",
        "Its suggestions show how Rounds works; they carry no medical knowledge. Real patients’ cases are refused.",
    ),
    Training.VIRTUAL: (
        "Trained on virtual patients, not validated on real ones.",
        "Check every suggestion against the patient in front of you.",
    ),
    Training.EXTERNAL: (
        "External model, not evaluated here.",
        "Check every suggestion against the patient in front of you.",
    ),
}
NOBODY = ("No diagnostic agent serves.", "Cases can be read and entered; new consultations wait until one is started.")


@dataclass(frozen=True, slots=True)
class Served:
    """The agent version that serves, for the chip and the banner of every page."""

    version: ModelVersion | None
    probe_ok: bool | None = None
    identity_ok: bool | None = None

    @property
    def warning(self) -> tuple[str, str]:
        return WARNINGS[Training(self.version.training)] if self.version else NOBODY

    @property
    def tone(self) -> str:
        if self.version is None or False in (self.probe_ok, self.identity_ok):
            return "danger"
        return "ok" if self.probe_ok else "caution"

    @property
    def state(self) -> str:
        if self.version is None:
            return "none"
        if self.identity_ok is False:
            return "but another version answers"
        return {True: "answering", False: "not answering", None: "not probed yet"}[self.probe_ok]


def served() -> Served:
    active = Endpoint.objects.filter(model_version=OuterRef("pk"), active=True)
    version = (
        ModelVersion.objects.filter(role=ModelRole.AGENT, status=VersionStatus.SERVING)
        .annotate(probe_ok=Subquery(active.values("probe_ok")[:1]), named=Subquery(active.values("identity_ok")[:1]))
        .first()
    )
    return Served(version, getattr(version, "probe_ok", None), getattr(version, "named", None))


ANNOTATION = ("rubric", "queue", "sheet", "agreement", "judge", "learning")


TRAINING = ("run", "schedule", "snapshot", "lineage", "gate", "deployment", "drift", "alarm")


def place(request: HttpRequest) -> str:
    """The first word of the address's name; the parts of annotation and of training are one place each."""
    name = (request.resolver_match.url_name if request.resolver_match else "") or ""
    word = name.split("_")[0]
    if word in ANNOTATION:
        return "annotation"
    return "training" if word in TRAINING else word


def product(request: HttpRequest) -> dict[str, Any]:
    return {
        "demo_logins": settings.DEMO_LOGINS,
        "production": settings.PRODUCTION,
        "preferences": Preferences.of(request),
        "served": SimpleLazyObject(served),
        "place": place(request),
    }
