"""The source attributes of predictive decision support, 45 CFR 170.315(b)(11)(iv)(B), filled in from a version's rows.

Thirty-one in nine groups. What no row knows says so: an empty attribute would look like a fulfilled one.
"""

from __future__ import annotations

from dataclasses import dataclass

from clinic.models import Training
from training.evaluation.statistics import SMALLEST_CELL
from training.models import CheckOutcome, Evaluation, GateCheck
from training.serving.card import Card
from training.serving.known_here import WEEKS, Known

UNKNOWN = "Not known."
NOT_DONE = "Not done."


@dataclass(frozen=True, slots=True)
class Attribute:
    title: str
    text: str

    @property
    def known(self) -> bool:
        return self.text not in (UNKNOWN, NOT_DONE) and not self.text.startswith("Not known:")


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    attributes: tuple[Attribute, ...]


def groups(card: Card, known: Known) -> list[Group]:
    """All thirty-one; `known` is what the reader's site measured beside the gate."""
    return [
        _group("Details and output", _details(card)),
        _group("Purpose", _purpose(card)),
        _group("Cautioned out-of-scope use", _cautions(card)),
        _group("Development and input features", _development(card)),
        _group("Fairness", _fairness(card)),
        _group("External validation", _external(known)),
        _group("Performance", _performance(card, known)),
        _group("Ongoing maintenance", _maintenance(known)),
        _group("Updates and corrections", _updates(card)),
    ]


def _group(title: str, told: list[tuple[str, str]]) -> Group:
    return Group(title, tuple(Attribute(*one) for one in told))


def _details(card: Card) -> list[tuple[str, str]]:
    return [
        ("Developer and contact", _developer(card)),
        ("Funding of the implementation", UNKNOWN),
        ("What it puts out", "The next question or examination with a reason, a differential with probabilities."),
        ("Kind of output", "A recommendation and a prediction."),
    ]


def _developer(card: Card) -> str:
    if card.run is None:
        return UNKNOWN
    people = ", ".join(sorted({row.by.display_name for row in card.signatures}))
    signed = f" Answer for it by signature: {people}." if people else ""
    return f"{card.run.site.name}, its administrators, with the Rounds software.{signed}"


def _purpose(card: Card) -> list[tuple[str, str]]:
    may = card.version.may_see_patients
    patients = "Adults with one of the presenting complaints that the knowledge covers." if may else ""
    return [
        ("Intended use", "Suggesting the next step of a diagnostic work-up, each with its reason."),
        ("Intended patients", patients or "None: virtual and published cases only while it serves."),
        ("Intended users", "Clinicians, and researchers on cases of no patient."),
        ("Role in the decision", "It informs. A clinician orders, answers, objects and concludes."),
    ]


def _cautions(card: Card) -> list[tuple[str, str]]:
    apart = "Deciding alone; emergencies without a clinician; speaking to patients; complaints outside the knowledge."
    return [("Not to be used for", apart), ("Known risks and limits", " ".join(card.limits))]


def _development(card: Card) -> list[tuple[str, str]]:
    learned = card.learned
    if learned is None:
        criteria = UNKNOWN if card.run is None else "No feedback: virtual training patients only."
    else:
        left_out = ", ".join(f"{n} {why}" for why, n in sorted(learned.excluded.items())) or "none"
        criteria = (
            f"Approved judgements with consent on virtual and published cases ({learned.judgements} on {learned.cases} "
            f"cases). Left out: {left_out}; near-duplicates and cases kept for measuring: {learned.removed}."
        )
    inputs = "Age and sex, as entered. Race, ethnicity, language, orientation, identity and social facts: not used."
    drawn = "Virtual patients are drawn by age and sex from the knowledge’s estimates, not from a population."
    known = card.version.training == Training.VIRTUAL
    return [
        ("Inclusion and exclusion", criteria),
        ("Demographic and social variables", inputs),
        ("Who the training data represent", drawn if known else UNKNOWN),
        ("Relevance to where it serves", "Simulated work-ups, not this site’s patients." if known else UNKNOWN),
    ]


def _fairness(card: Card) -> list[tuple[str, str]]:
    checks = [check for check in card.checks if "subgroup" in check.name]
    approach = f"The gate compares age bands, sexes and complaints: {_said(checks)}" if checks else NOT_DONE
    weights = "Physicians’ judgements are weighted so that nobody’s counts for more than a capped share."
    return [
        ("Approach", approach),
        ("Managing bias", weights if card.learned else NOT_DONE),
    ]


def _external(known: Known) -> list[tuple[str, str]]:
    """Published cases are another source than the virtual patients that it learned from."""
    sets = ", ".join(sorted({row.case_set for row in known.outside}))
    people = ", ".join(sorted({row.by.display_name if row.by else "a command" for row in known.outside}))
    ways = ", ".join(sorted({f"{row.get_protocol_display().lower()} on {row.case_set}" for row in known.outside}))
    return [
        ("Where else it was assessed", f"On published cases: {sets}." if sets else NOT_DONE),
        ("Who tested it there", f"Nobody outside: {people} of this site." if people else NOT_DONE),
        ("Who the external data represent", "As their publishers say; not counted here." if sets else NOT_DONE),
        ("How", f"{ways.capitalize()}, without a physician’s rating." if ways else NOT_DONE),
    ]


def _performance(card: Card, known: Known) -> list[tuple[str, str]]:
    main = [check for check in card.checks if check.candidate is not None and "subgroup" not in check.name]
    groups = [check for check in card.checks if "subgroup" in check.name]
    return [
        ("Validity, same source", _said(main[:6]) if main else NOT_DONE),
        ("Fairness, same source", _cells(groups) or (_said(groups) if groups else NOT_DONE)),
        ("Validity, other sources", "; ".join(map(_evaluated, known.outside)) + "." if known.outside else NOT_DONE),
        ("Fairness, other sources", NOT_DONE),
        ("Effect on patients’ outcomes", NOT_DONE),
    ]


def _maintenance(known: Known) -> list[tuple[str, str]]:
    watched = "Daily, per site: deferrals, overrides, turns, unreadable answers and calibration on recorded outcomes."
    mix = "Daily, per site: shifts in complaint, age and sex of what comes in; outcomes by group are not watched."
    return [
        ("Watching validity", watched),
        ("Validity in local data", _locally(known)),
        ("Watching fairness", mix),
        ("Fairness in local data", _locally_by_group(known)),
    ]


def _updates(card: Card) -> list[tuple[str, str]]:
    return [
        ("How and how often it is updated", "By runs that an administrator or a schedule starts; each passes a gate."),
        ("How it is corrected", "An alarm is opened; an administrator rolls back in one step, or trains another."),
    ]


def _evaluated(row: Evaluation) -> str:
    told = row.summary
    found = [f"{row.case_set}, {row.total} cases"]
    for name, words in (("accuracy", "right"), ("rubric", "rubric score")):
        if (value := told.get(name)) is not None:
            interval = (told.get("ci") or {}).get(name)
            found.append(f"{words} {value:.0%}" + (f" ({interval[0]:.0%} to {interval[1]:.0%})" if interval else ""))
    return ", ".join(found)


def _locally(known: Known) -> str:
    n = len(known.judged)
    if not n:
        return NOT_DONE if not known.used else f"Not known: {len(known.used)} consultations, none with a known answer."
    right = sum(bool(row.right) for row in known.judged)
    return f"{right} of {n} diagnoses right, in {len(known.used)} consultations of this site in {WEEKS} weeks."


def _locally_by_group(known: Known) -> str:
    told = [row for group in ("sex", "age") for row in known.right_by(group)]
    if not told:
        return f"Not known: no group here has {SMALLEST_CELL} diagnoses with a known answer."
    return "Right: " + "; ".join(f"{name} {share:.0%} of {n}" for name, n, share in told) + "."


def _cells(checks: list[GateCheck]) -> str:
    """Every group that the gate looked at, not the worst alone; "" where it kept none."""
    cells = [cell for check in checks for cell in check.detail.get("cells", [])]
    return "; ".join(f"{c['group']}: {c['candidate']:.2f} (n {c['n']})" for c in cells) + "." if cells else ""


def _said(checks: list[GateCheck]) -> str:
    return "; ".join(_one(check) for check in checks) + "."


def _one(check: GateCheck) -> str:
    if check.outcome == CheckOutcome.NOT_RUN or check.candidate is None:
        return f"{check.title}: {check.get_outcome_display().lower()}"
    interval = f" ({check.low:+.3f} to {check.high:+.3f} against who served)" if check.low is not None else ""
    return f"{check.title}: {check.candidate:.3f}{interval}"
