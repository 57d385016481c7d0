"""Annotations from a file: own JSON Lines again and again without loss; feedback comes back as proposed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction

from agents.records import healthbench, primock57
from agents.records.base import Rejection, json_objects
from agents.types import CaseRecord
from clinic.annotation_files import as_row
from clinic.annotation_files.reading import Line, Unreadable, read
from clinic.disputes import HAVING
from clinic.models import (
    Annotation,
    AnnotationOrigin,
    AnnotationQueue,
    AnnotationStatus,
    Consultation,
    Feedback,
    FeedbackKind,
    FeedbackStatus,
    Preference,
    QueueItem,
    Rating,
    RubricCriterion,
    RubricStatus,
    RubricVersion,
    Site,
    User,
)
from clinic.services import audit
from clinic.services.cases import ImportReport
from clinic.services.errors import Refused

OWN = "jsonl"
PUBLISHED: dict[str, Callable[[Iterable[str | bytes]], Iterator[CaseRecord | Rejection]]] = {
    "healthbench": healthbench.parse,
    "primock57": primock57.parse,
}
FORMATS = (OWN, *PUBLISHED)
NO_VERDICTS = "it has criteria and nobody's verdicts: import it as a rubric with import_rubrics"
TAKEN = "this annotator, or another authoritative judgement, has this item already"
MOST_BYTES = 512_000_000


def import_file(*, format: str, path: Path, site: Site, by: User | None) -> ImportReport:
    """All good lines of one file; the rest are named with the reason. A second time changes nothing."""
    if format not in FORMATS:
        raise Refused(f"{format} is not a known format; choose one of {', '.join(FORMATS)}.")
    if not path.is_file():
        raise Refused(f"There is no file {path}.")
    if path.stat().st_size > MOST_BYTES:
        raise Refused(f"{path.name} is larger than {MOST_BYTES:,} bytes; split it first.")
    with path.open("rb") as lines:
        return import_lines(format=format, lines=lines, source=path.name, site=site, by=by)


@transaction.atomic
def import_lines(
    *, format: str, lines: Iterable[bytes | str], site: Site, by: User | None, source: str = ""
) -> ImportReport:
    """In one transaction: after a failure nothing was changed."""
    report = ImportReport(format=format)
    if format == OWN:
        _import_own(lines, site, report)
    else:
        _import_published(PUBLISHED[format](lines), report)
    counts = {**report.as_dict(), "rejected": len(report.rejected), "source": source}
    audit.record(by=by, action="annotations.imported", noun="site", target=site.slug, site=site, data=counts)
    return report


def _import_published(found: Iterable[CaseRecord | Rejection], report: ImportReport) -> None:
    """These publish criteria; no row of theirs that is known says what a physician judged of a consultation."""
    for row in found:
        report.read += 1
        if isinstance(row, Rejection):
            report.reject(row.record, row.reason)
        else:
            report.reject(row.id, NO_VERDICTS)


def _import_own(lines: Iterable[bytes | str], site: Site, report: ImportReport) -> None:
    seen = set[str]()
    for name, data in json_objects(lines):
        report.read += 1
        if isinstance(data, Rejection):
            report.reject(data.record, data.reason)
        elif str(data.get("id")) in seen:
            report.reject(str(data.get("id"))[:80], "the same id occurs earlier in this file")
        else:
            seen.add(str(data.get("id")))
            _import_one(name, data, site, report)


def _import_one(name: str, data: dict[str, Any], site: Site, report: ImportReport) -> None:
    try:
        with transaction.atomic():
            report.count(_put(data, read(data), site))
    except Unreadable as error:
        report.reject(str(data.get("id") or name)[:80], str(error))
    except IntegrityError:
        report.reject(str(data.get("id") or name)[:80], TAKEN)


def _put(data: dict[str, Any], line: Line, site: Site) -> str:
    """accepted, updated or unchanged; raises Unreadable where something it names is not at this site."""
    there = Annotation.objects.select_for_update(no_key=True, of=("self",)).filter(pk=line.id).first()
    if there is not None:
        if there.item.queue.site_id != site.pk:
            raise Unreadable("an annotation of another site has this id")
        if _compared(as_row(there)) == _compared(data):
            return "unchanged"
    version = _version(line, site)
    item = _item(line, site, version)
    annotator = _annotator(line, site)
    criteria = _criteria(line, version)
    whose = (item.pk, annotator.pk if annotator else None, line.columns["origin"])
    if there is not None and (there.item_id, there.annotator_id, there.origin) != whose:
        raise Unreadable("this id is another person's judgement, or of another item")
    _one_part(line, item, annotator)
    _write(line, there, item, version, annotator, criteria)
    return "accepted" if there is None else "updated"


def _compared(data: dict[str, Any]) -> dict[str, Any]:
    """Without what no import changes in a judgement that is here: its feedback, and its giver's consent."""
    return {name: value for name, value in data.items() if name not in ("feedback", "consent")}


def _one_part(line: Line, item: QueueItem, annotator: User | None) -> None:
    """Nobody both judges an item and settles it."""
    if annotator is None:
        return
    theirs = item.annotations.filter(annotator=annotator, status__in=HAVING).exclude(pk=line.id)
    if theirs.exclude(origin=line.columns["origin"]).exists():
        raise Unreadable("its annotator both judged this item and settled it")


def _write(
    line: Line,
    there: Annotation | None,
    item: QueueItem,
    version: RubricVersion | None,
    annotator: User | None,
    criteria: dict[str, RubricCriterion],
) -> None:
    fields = {**line.columns, "submitted_at": line.submitted_at}
    if there is None:
        given = _feedback(line, item, annotator)
        fields |= {"item": item, "rubric_version": version, "annotator": annotator, "feedback": given}
        there = Annotation.objects.create(pk=line.id, status=AnnotationStatus.SUBMITTED, **fields)
    elif there.status != AnnotationStatus.SUBMITTED:
        there.move_to(AnnotationStatus.SUBMITTED, by=None, reason="imported", **fields)
    else:
        Annotation.objects.filter(pk=there.pk).update(**fields, feedback=_decided_again(line, there))
    Rating.objects.filter(annotation=there).delete()
    Preference.objects.filter(annotation=there).delete()
    Rating.objects.bulk_create(
        Rating(annotation=there, **{**row, "criterion": criteria[row["criterion"]]}) for row in line.ratings
    )
    Preference.objects.bulk_create(Preference(annotation=there, **row) for row in line.preferences)
    done = item.annotations.filter(status=AnnotationStatus.SUBMITTED, origin=AnnotationOrigin.PERSON)
    QueueItem.objects.filter(pk=item.pk).update(submitted=done.count())


def _version(line: Line, site: Site) -> RubricVersion | None:
    if line.rubric_version is None:
        return None
    published = (RubricStatus.PUBLISHED, RubricStatus.RETIRED)
    found = RubricVersion.objects.filter(pk=line.rubric_version, rubric__site=site, status__in=published).first()
    if found is None:
        raise Unreadable("its rubric's version is not published at this site")
    return found


def _item(line: Line, site: Site, version: RubricVersion | None) -> QueueItem:
    wanted = {line.consultation, *([line.other] if line.other else [])}
    here = Consultation.objects.filter(site=site, case__deleted_at=None).in_bulk(wanted)
    if len(here) != len(wanted):
        raise Unreadable("its consultation is not at this site")
    if len({held.case_id for held in here.values()}) != 1:
        raise Unreadable("its two consultations are not of one case")
    found = QueueItem.objects.select_related("queue").filter(pk=line.item["id"]).first()
    if found is not None:
        if found.queue.site_id != site.pk or (found.consultation_id, found.other_id) != (line.consultation, line.other):
            raise Unreadable("its item is about another consultation here")
        return found
    queue = _queue(line, site)
    about = {"queue": queue, "consultation_id": line.consultation, "other_id": line.other, "repeat_of": None}
    same = QueueItem.objects.filter(**about).first()
    return same or QueueItem.objects.create(**about, rubric_version=None if line.other else version, **line.item)


def _queue(line: Line, site: Site) -> AnnotationQueue:
    found = AnnotationQueue.objects.filter(pk=line.queue["id"]).first()
    if found is not None and found.site_id != site.pk:
        raise Unreadable("its queue is another site's")
    return found or AnnotationQueue.objects.create(site=site, **line.queue)


def _annotator(line: Line, site: Site) -> User | None:
    if line.columns["origin"] == AnnotationOrigin.JUDGE:
        return None
    found = User.objects.filter(username=line.annotator, site=site).first() if line.annotator else None
    if found is None:
        raise Unreadable("its annotator is nobody at this site")
    return found


def _criteria(line: Line, version: RubricVersion | None) -> dict[str, RubricCriterion]:
    found = {one.key: one for one in RubricCriterion.objects.filter(version=version)} if version else {}
    unknown = {row["criterion"] for row in line.ratings} - found.keys()
    if unknown:
        raise Unreadable(f"the rubric has no criterion {sorted(unknown)[0]}")
    return found


def _feedback(line: Line, item: QueueItem, annotator: User | None) -> Feedback | None:
    """What was given before, found again; else proposed anew: an approval is a person's at this site."""
    if annotator is None or line.columns["origin"] != AnnotationOrigin.PERSON:
        return None
    if line.feedback is None:
        return None
    same = {"by": annotator, "site": item.queue.site, "kind": _kind(line), "consultation": item.consultation}
    known = Feedback.objects.filter(pk=line.feedback, annotation=None, **same).first()
    if known:
        return _out_of_use(known) or _propose(line, item, annotator, line.consent and known.consent)
    if Feedback.objects.filter(pk=line.feedback).exists():
        raise Unreadable("its feedback belongs to another judgement here")
    return _propose(line, item, annotator, line.consent, pk=line.feedback)


def _decided_again(line: Line, there: Annotation) -> Feedback | None:
    """A changed judgement is not the one that was approved: what it gave goes out of use, and is proposed anew."""
    given = there.feedback
    if given is None or there.annotator is None:
        return given
    return _out_of_use(given) or _propose(line, there.item, there.annotator, line.consent and given.consent)


def _out_of_use(given: Feedback) -> Feedback | None:
    """The row itself where it was decided against already, by a colleague or by its giver; else None."""
    if given.status not in (FeedbackStatus.PROPOSED, FeedbackStatus.APPROVED):
        return given
    given.move_to(FeedbackStatus.QUARANTINED, by=None, reason="changed by an import")
    return None


def _propose(line: Line, item: QueueItem, annotator: User, consent: bool, **columns: Any) -> Feedback:
    held = item.consultation
    return Feedback.objects.create(
        site=item.queue.site,
        kind=_kind(line),
        consultation=held,
        model_version_id=held.model_version_id,
        data={"annotation": str(line.id), "score": line.columns["score"], "coverage": line.columns["coverage"]},
        by=annotator,
        consent=consent,
        **columns,
    )


def _kind(line: Line) -> FeedbackKind:
    return FeedbackKind.PREFERENCE if line.other else FeedbackKind.RATING
