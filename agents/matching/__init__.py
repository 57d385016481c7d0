"""Whether a named diagnosis is the right one, and which ordered examinations are the reference ones."""

from agents.matching.diagnoses import (
    DIAGBENCH_RULE,
    DiagnosisMatch,
    ListingRule,
    match_diagnosis,
    named_condition,
    settle_diagnosis,
)
from agents.matching.exams import ExamAgreement, judge_count_compat, match_examinations
from agents.matching.ontology import Ontology, ontology

__all__ = [
    "DIAGBENCH_RULE",
    "DiagnosisMatch",
    "ExamAgreement",
    "ListingRule",
    "Ontology",
    "judge_count_compat",
    "match_diagnosis",
    "match_examinations",
    "named_condition",
    "ontology",
    "settle_diagnosis",
]
