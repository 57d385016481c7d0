"""What one criterion's words say against its points: a reward that reads like a fault, a penalty like a virtue."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agents.rubric_lints.problem import Problem
from agents.rubrics import Criterion

_ASIDE = re.compile(r"\((?:justification|because|e\.?g|i\.?e|such as|for example)\b[^)]*\)", re.I)
_SUBJECT = re.compile(
    r"^(?:the\s+)?(?:agent|assistant|response|model|answer|consultation|doctor|clinician|it|user|patient)s?\s+", re.I
)
_NEGATED = re.compile(r"^(?:do(?:es)? not|doesn['’]t|did not|never|is not|has not)\b\s*", re.I)
_OMITS = re.compile(
    r"^(?:fails?|failed|misses|omits|neglects|forgets|overlooks|ignores|refuses|delays|dismisses|lacks)\b(?:\s+to\b)?\s*",
    re.I,
)
_GUARDS = re.compile(
    r"^(?:avoids|refrains from|warns|cautions|discourages|prevents|rules out|excludes|"
    r"(?:advises|recommends|counsels|instructs|urges|suggests)\b.{0,40}?\bagainst)\b",
    re.I,
)
_BAD = (
    r"unnecessar\w*|needless\w*|harmful|unsafe|dangerous\w*|contraindicated|inappropriate\w*|incorrect\w*|wrong\w*|"
    r"misleading|excessive\w*|overly|verbose\w*|false\w*|fabricat\w+|invent\w+|unsupported|unfounded|premature\w*|"
    r"poorly|irrelevant|inaccura\w+|guess\w*|alarmis\w+|repeat(?:s|ed|ing)? (?:an?|the|itself)|contradict\w*|"
    r"erroneous\w*"
)
_BAD_WORD = re.compile(rf"\b(?:{_BAD})\b", re.I)
_DENIED_BAD = re.compile(
    rf"\b(?:no|not|without|free of|free from|avoid\w*|against|neither)\b[^.;]{{0,40}}?\b(?:{_BAD})", re.I
)
_SHADOW = re.compile(
    rf"\b(?:{_BAD}|without|instead of|despite|only|not|no|never|alone|beyond|too|enough|mandatory|definitive\w*|"
    r"merely|rather than|absolute\w*|unless|skip\w*|stop\w*|delay\w*|reassur\w*|discharg\w*|fails?|lacks?|poor)\b",
    re.I,
)
_CARE = (
    r"(?:seek\w*|get|consult\w*|see|contact\w*|call\w*|attend\w*|find)\b.{0,60}?\b"
    r"(?:help|care|attention|emergency|advice|review|physician|doctor|provider|professional|services?|specialist|ambulance)"
)
_GOOD = re.compile(
    rf"\b(?:{_CARE}|emergency (?:help|care|services|department)|immediate (?:help|care|medical)|urgent (?:review|care)|"
    r"safety[- ]net\w*|follow[- ]up|red[- ]flags?|warning signs)\b",
    re.I,
)
_VIRTUE = re.compile(
    r"^(?:correctly|appropriately|accurately|clearly|concisely|safely|promptly|acknowledges|recogni[sz]es|identifies|"
    r"explains|clarifies|asks|inquires|enquires|considers|names|confirms|checks|should|must|safety[- ]nets)\b",
    re.I,
)
_ADVICE = re.compile(
    r"^(?:strongly\s+)?(?:recommends|advises|suggests|instructs|urges|directs|encourages|tells|refers|provides|"
    r"includes|gives|emphasi[sz]es|mentions|lists|supports|approves)\b",
    re.I,
)
_YOUNG = r"(?:newborn|neonate|infant|bab(?:y|ies)|\d+[- ](?:day|week|month)[- ]old)"
_UNSAFE = [
    re.compile(rf"\b(?:herbal\w*|honey|aspirin|codeine|cough syrup)\b.*\b{_YOUNG}", re.I),
    re.compile(rf"\b{_YOUNG}.*\b(?:herbal\w*|honey|aspirin|codeine|cough syrup)\b", re.I),
    re.compile(r"\b(?:warfarin|valproate|methotrexate|isotretinoin|ACE inhibitors?)\b.*\bpregnan", re.I),
    re.compile(
        r"\b(?:skip\w*|not (?:to )?(?:attend|seek|see|go)|stop\w* (?:insulin|steroids|anticoag\w+) (?:abruptly|"
        r"at once))",
        re.I,
    ),
]
_VERBS = (
    r"advises|asks|assesses|checks|confirms|considers|describes|diagnoses|elaborates|examines|excludes|explains|gives|"
    r"identifies|includes|informs|instructs|lists|mentions|names|notes|offers|orders|outlines|provides|recommends|"
    r"refers|requests|rules out|seeks|states|suggests|tells|treats|urges|warns"
)
_SEVERAL = re.compile(rf";|\b(?:and also|as well as)\b|\band\b.*\band\b|\band (?:\w+ly )?(?:{_VERBS})\b", re.I)
_SENTENCES = re.compile(r"[.!?:]\s+(?=[A-Z\-•*\d])")
_LIST_OF_FOUR = re.compile(r"(?:[^,.;]+,){3,}")
_EXAMPLES = re.compile(r"\b(?:such as|for example|e\.g\.|like|including|one of|any of)\b.*", re.I)


def problems(criterion: Criterion) -> Iterator[Problem]:
    """What is wrong with the criterion by itself."""
    if criterion.points > 0 and reads_like_fault(criterion.text):
        yield Problem(criterion.id, "reward_like_fault", "rewards what reads like a fault: check the sign", True)
    if criterion.points < 0 and reads_like_virtue(criterion.text):
        yield Problem(criterion.id, "penalty_like_virtue", "penalises what reads like a virtue: check the sign", True)
    if asks_several(criterion.text):
        yield Problem(criterion.id, "compound", "asks for several things: split it")


def plain(text: str) -> str:
    """The statement itself: without its subject and without the justification in brackets."""
    return _SUBJECT.sub("", _ASIDE.sub(" ", " ".join(text.split()))).strip()


def is_negated(text: str) -> bool:
    """Whether it states that something was left undone."""
    said = plain(text)
    return bool(_NEGATED.match(said) or _OMITS.match(said))


def affirmed(text: str) -> str:
    """What was done or left undone, without the words that deny it."""
    return _OMITS.sub("", _NEGATED.sub("", plain(text)))


def reads_like_fault(text: str) -> bool:
    said = plain(text)
    guard = _GUARDS.match(said)
    if guard:
        return bool(_GOOD.search(said[guard.end() :]))
    if _OMITS.match(said):
        return True
    if _NEGATED.match(said):
        return not _BAD_WORD.search(said)
    if _ADVICE.match(said) and any(pattern.search(said) for pattern in _UNSAFE):
        return True
    # In a long text the word is as likely in an explanation as in the statement.
    clause = said.split(",")[0]
    return not _SENTENCES.search(said) and bool(_BAD_WORD.search(clause)) and not _DENIED_BAD.search(said)


def reads_like_virtue(text: str) -> bool:
    said = plain(text)
    if _GUARDS.match(said):
        return not reads_like_fault(text)
    if _NEGATED.match(said):
        return bool(_BAD_WORD.search(said))
    if _OMITS.match(said):
        return False
    modal = re.match(r"(?:should|must)\b", said, re.I)
    if not modal and (_SHADOW.search(said) or any(pattern.search(said) for pattern in _UNSAFE)):
        return bool(_DENIED_BAD.search(said)) and not _SHADOW.search(_DENIED_BAD.sub("", said))
    return bool(_VIRTUE.match(said) or (_ADVICE.match(said) and _GOOD.search(said)))


def asks_several(text: str) -> bool:
    """Whether one verdict would have to answer for more than one thing."""
    if re.search(r"\bstep \d\b|\n\s*[-•*\d]", text, re.I):
        return True
    said = plain(text)
    if _SENTENCES.search(said):
        return True
    return bool(_SEVERAL.search(_EXAMPLES.sub("", said)) or _LIST_OF_FOUR.match(_EXAMPLES.sub("", said)))
