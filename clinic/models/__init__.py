"""The nouns of the clinic, one file each."""

from clinic.models.annotation import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Choice,
    CorrectionKind,
    Dimension,
    Harm,
    Preference,
    QueueItem,
    QueueKind,
    Rating,
)
from clinic.models.audit import AuditEntry, AuditHead
from clinic.models.case import Case, CaseKind, Finding, FindingSource, FindingState, SimulatedResult
from clinic.models.cds import CdsCard, CdsClient
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
from clinic.models.feedback import DeclineReason, Feedback, FeedbackKind, FeedbackStatus, FeedbackUse
from clinic.models.intake import IntakeDraft
from clinic.models.judgement import Certainty, Commitment, DraftStatus, Handover, Outcome, TurnDrafts
from clinic.models.knowledge import KnowledgeCheck
from clinic.models.ledger import LedgerEntry, LedgerOrigin, LedgerStatus, RedFlagAlert
from clinic.models.lifecycle import IllegalTransition, StaleStatus, StatusChange, StatusModel
from clinic.models.model_version import Endpoint, ModelRole, ModelVersion, Training, VersionStatus
from clinic.models.patient import Patient
from clinic.models.rubric import (
    Axis,
    Rubric,
    RubricCriterion,
    RubricFlow,
    RubricOrigin,
    RubricPart,
    RubricRole,
    RubricScope,
    RubricStatus,
    RubricVersion,
)
from clinic.models.site import Site
from clinic.models.user import Invitation, Role, User
from clinic.models.webhook import Webhook, WebhookDelivery
from clinic.models.world import WorldBackend, WorldDraw

__all__ = [
    "Annotation",
    "AnnotationOrigin",
    "AnnotationQueue",
    "AnnotationStatus",
    "AuditEntry",
    "AuditHead",
    "Axis",
    "Case",
    "CaseKind",
    "CdsCard",
    "CdsClient",
    "Certainty",
    "Choice",
    "Commitment",
    "Consultation",
    "ConsultationStatus",
    "CorrectionKind",
    "DeclineReason",
    "Dimension",
    "DraftStatus",
    "Endpoint",
    "Event",
    "EventType",
    "Feedback",
    "FeedbackKind",
    "FeedbackStatus",
    "FeedbackUse",
    "Finding",
    "FindingSource",
    "FindingState",
    "Handover",
    "Harm",
    "IllegalTransition",
    "IntakeDraft",
    "Invitation",
    "KnowledgeCheck",
    "LedgerEntry",
    "LedgerOrigin",
    "LedgerStatus",
    "ModelOutput",
    "ModelRole",
    "ModelVersion",
    "Outcome",
    "Patient",
    "Preference",
    "QueueItem",
    "QueueKind",
    "Rating",
    "RedFlagAlert",
    "Role",
    "Rubric",
    "RubricCriterion",
    "RubricFlow",
    "RubricOrigin",
    "RubricPart",
    "RubricRole",
    "RubricScope",
    "RubricStatus",
    "RubricVersion",
    "SimulatedResult",
    "Site",
    "StaleStatus",
    "StatusChange",
    "StatusModel",
    "Training",
    "Turn",
    "TurnDrafts",
    "TurnRole",
    "TurnStatus",
    "User",
    "VersionStatus",
    "Webhook",
    "WebhookDelivery",
    "WorldBackend",
    "WorldDraw",
]
