"""Who may see and change which criteria of a rubric version, at which step of its making."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import Q, QuerySet

from clinic.models import RubricCriterion, RubricFlow, RubricPart, RubricRole, RubricStatus, RubricVersion, User

STEPS = {
    RubricStatus.WRITING: (RubricRole.AUTHOR, RubricRole.SECOND_AUTHOR),
    RubricStatus.REVIEW: (RubricRole.REVIEWER,),
    RubricStatus.WEIGHING: (RubricRole.WEIGHER,),
}
"""Whose turn it is in each status of a panel's version."""


@dataclass(frozen=True)
class Access:
    """What one person may do with one version now."""

    version: RubricVersion
    user: User

    @cached_property
    def is_panel(self) -> bool:
        return self.version.rubric.flow == RubricFlow.PANEL

    @cached_property
    def parts(self) -> list[RubricPart]:
        return list(self.version.parts.select_related("by")) if self.is_panel else []

    @cached_property
    def part(self) -> RubricPart | None:
        """The person's own part of a panel."""
        return next((part for part in self.parts if part.by_id == self.user.pk), None)

    @property
    def is_on(self) -> bool:
        """Whether it is this person's turn: their part is the present step's, and not done."""
        here = STEPS.get(RubricStatus(self.version.status), ())
        return bool(self.part and self.part.role in here and not self.part.done_at)

    @property
    def is_here(self) -> bool:
        return self.user.site_id is not None and self.user.site_id == self.version.rubric.site_id

    @property
    def may_edit(self) -> bool:
        if not (self.version.is_open and self.is_here):
            return False
        return self.is_on if self.is_panel else self.user.may_annotate or self.user.may_run_queues

    @property
    def may_publish(self) -> bool:
        """A physician's decision: an administrator who does not annotate cannot put a rubric into force."""
        if not (self.user.may_annotate and self.version.is_open and self.is_here):
            return False
        return self.is_on and self.may_weigh if self.is_panel else True

    @property
    def may_guide(self) -> bool:
        """Write the guideline; a panel's authors do not, since each would read the other's."""
        return self.may_edit and not self.writes_alone

    @property
    def may_write(self) -> bool:
        """Add, reword and remove criteria: everybody but the weigher."""
        return self.may_edit and self.version.status != RubricStatus.WEIGHING

    @property
    def may_weigh(self) -> bool:
        return self.may_edit and (not self.is_panel or self.version.status == RubricStatus.WEIGHING)

    @property
    def may_review(self) -> bool:
        """Keep, drop and merge: one who reviews, and the one author of the single flow."""
        return self.may_edit and (not self.is_panel or self.version.status == RubricStatus.REVIEW)

    @property
    def writes_alone(self) -> bool:
        """Whether others' criteria are hidden: a panel's two authors write without seeing each other's."""
        return self.is_panel and self.version.status == RubricStatus.WRITING

    def criteria(self) -> QuerySet[RubricCriterion]:
        """What the person may see of the version; the shared base of a panel's later version has no author."""
        found = self.version.criteria.select_related("by")
        return found.filter(Q(by=self.user) | Q(by=None)) if self.writes_alone else found

    def editable(self) -> QuerySet[RubricCriterion]:
        """What the person may reword now; an author only their own."""
        if not self.may_edit:
            return self.version.criteria.none()
        return self.version.criteria.filter(by=self.user) if self.writes_alone else self.version.criteria.all()
