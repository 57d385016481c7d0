"""What the training room keeps: evaluations, judges, snapshots, runs, gates, what serves; one file per noun."""

from training.models.evaluation import CaseEnd, EvaluatedEpisode, Evaluation, EvaluationStatus, Protocol
from training.models.gate import (
    ChangeRecord,
    CheckKind,
    CheckOutcome,
    Gate,
    GateCheck,
    GateStatus,
    Signature,
    SignatureRole,
)
from training.models.judge_run import JudgeRun, JudgeRunStatus
from training.models.run import OutboxMessage, Run, RunMetric, RunStatus, Schedule, TrainerName
from training.models.serving import Alarm, Deployment, DeploymentKind, ShadowTurn
from training.models.snapshot import Snapshot, SnapshotCase, SnapshotFeedback, Split

__all__ = [
    "Alarm",
    "CaseEnd",
    "ChangeRecord",
    "CheckKind",
    "CheckOutcome",
    "Deployment",
    "DeploymentKind",
    "EvaluatedEpisode",
    "Evaluation",
    "EvaluationStatus",
    "Gate",
    "GateCheck",
    "GateStatus",
    "JudgeRun",
    "JudgeRunStatus",
    "OutboxMessage",
    "Protocol",
    "Run",
    "RunMetric",
    "RunStatus",
    "Schedule",
    "ShadowTurn",
    "Signature",
    "SignatureRole",
    "Snapshot",
    "SnapshotCase",
    "SnapshotFeedback",
    "Split",
    "TrainerName",
]
