"""The nouns of the clinic, one file each."""

from clinic.models.audit import AuditEntry, AuditHead
from clinic.models.case import Case, CaseKind, Finding, FindingSource, SimulatedResult
from clinic.models.consultation import (
    Consultation,
    ConsultationStatus,
    Event,
    EventType,
    ModelOutput,
    Turn,
    TurnRole,
    TurnStatus,
)
from clinic.models.knowledge import KnowledgeCheck
from clinic.models.lifecycle import IllegalTransition, StaleStatus, StatusChange, StatusModel
from clinic.models.model_version import Endpoint, ModelRole, ModelVersion, Training, VersionStatus
from clinic.models.patient import Patient
from clinic.models.site import Site
from clinic.models.user import Invitation, Role, User

__all__ = [
    "AuditEntry",
    "AuditHead",
    "Case",
    "CaseKind",
    "Consultation",
    "ConsultationStatus",
    "Endpoint",
    "Event",
    "EventType",
    "Finding",
    "FindingSource",
    "IllegalTransition",
    "Invitation",
    "KnowledgeCheck",
    "ModelOutput",
    "ModelRole",
    "ModelVersion",
    "Patient",
    "Role",
    "SimulatedResult",
    "Site",
    "StaleStatus",
    "StatusChange",
    "StatusModel",
    "Training",
    "Turn",
    "TurnRole",
    "TurnStatus",
    "User",
    "VersionStatus",
]
