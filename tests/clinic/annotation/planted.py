"""A site with honest annotators and one who flips everything."""

from __future__ import annotations

from clinic.models import AnnotationQueue, Feedback, FeedbackKind, Role, Rubric, Site, User
from tests.clinic import factories as base
from tests.clinic.annotation import factories as make

TRUTH = {"ecg": "met", "names": "met", "repeats": "not_met"}
FLIPPED = {"met": "not_met", "not_met": "met"}


def people(site: Site | None = None) -> tuple[list[User], User]:
    honest = [base.make_user(Role.ANNOTATOR, site=site, first_name="Honest") for _ in range(3)]
    return honest, base.make_user(Role.ANNOTATOR, site=site, first_name="Flip")


def judged(annotator: User, item, verdicts) -> Feedback:
    annotation = make.make_annotation(item, annotator, verdicts, score=1.0 if verdicts == TRUTH else 0.0, coverage=1.0)
    row = Feedback.objects.create(
        site=item.queue.site,
        kind=FeedbackKind.RATING,
        consultation=item.consultation,
        by=annotator,
        consent=True,
        model_version=item.consultation.model_version,
        data={"annotation": str(annotation.pk), "score": annotation.score},
    )
    annotation.feedback = row
    annotation.save(update_fields=["feedback"])
    return row


def plant(*, shared: int = 4, alone: int = 16, site: Site | None = None) -> tuple[list[User], User]:
    """All four judge `shared` items; who flips judges `alone` more, and so most."""
    site = site or base.default_site()
    honest, flip = people(site)
    queue = make.make_queue(site=site, rubric_version=make.make_rubric(site=site), overlap=4)
    for _ in range(shared):
        item = make.make_item(queue, consultation=base.make_consultation(case=base.make_case(site=site)))
        for one in honest:
            judged(one, item, TRUTH)
        judged(flip, item, {key: FLIPPED[verdict] for key, verdict in TRUTH.items()})
    for _ in range(alone):
        item = make.make_item(queue, consultation=base.make_consultation(case=base.make_case(site=site)))
        judged(flip, item, {key: FLIPPED[verdict] for key, verdict in TRUTH.items()})
    return honest, flip


__all__ = ["AnnotationQueue", "Rubric", "judged", "people", "plant"]
