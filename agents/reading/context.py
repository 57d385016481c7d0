"""What the words around a mention make of it: present, absent, unknown, or somebody else's.

After the idea of NegEx (Chapman et al. 2001): a trigger reaches forward until a word that ends its scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

State = Literal["present", "absent", "unknown"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEGATORS = _words(
    "no not neg nil denies denied denying without never neither nor none negative absence lacks doesn't don't didn't "
    "isn't hasn't haven't wasn't cannot"
)
ENDS = _words(
    "but however although though except which because started since has had have reports reported complains "
    "complaining presents presented developed now then positive notices noticed"
)
AFTER = _words("absent denied negative unremarkable no none nil")
DOUBTS = _words("possible possibly maybe perhaps might unsure unclear uncertain suspected query questionable probably")
NOT_YET = (("rule", "out"), ("r", "o"), ("return", "if"), ("risk", "of"), ("worried", "about"), ("concern", "for"),
           ("afraid", "of"), ("in", "case"), ("screen", "for"), ("no", "information"), ("not", "sure"))  # fmt: skip
RELATIVES = _words(
    "father mother brother sister aunt uncle grandfather grandmother parent parents son daughter cousin dad mum mom "
    "wife husband sibling siblings"
)
THEIRS = _words("has had have with died suffers suffered was were is takes diagnosed")
REACH = 14
"""How many words a negation reaches: longer lists are rare, and a scope without end does harm."""


def state_of(before: Sequence[str], after: Sequence[str]) -> State | None:
    """The state of a mention between these lower-case words of its sentence; None where it is somebody else's.

    `before` ends with the word next to the mention, `after` begins with it.
    """
    near = list(before)[-REACH:]
    if _of_a_relative(list(before)):
        return None
    if _phrase(near) or DOUBTS & set(near[-3:]):
        return "unknown"
    if _negated(near) or near[-1:] == ["non"] or (after and after[0] in AFTER):
        return "absent"
    return "present"


def _negated(words: list[str]) -> bool:
    for position in range(len(words) - 1, -1, -1):
        word = words[position]
        if word in NEGATORS:
            return not _softened(words[position:])
        if word in ENDS and not (position and words[position - 1] in NEGATORS):
            return False
    return False


def _softened(words: list[str]) -> bool:
    """ "Not only", "no change in", "no relief of": the thing itself is there."""
    return tuple(words[:2]) in {("not", "only"), ("no", "change"), ("no", "relief"), ("no", "improvement")}


def _phrase(words: list[str]) -> bool:
    return any(tuple(words[n : n + 2]) in NOT_YET for n in range(max(0, len(words) - 5), len(words) - 1))


def _of_a_relative(words: list[str]) -> bool:
    if "family history of" in " ".join(words):
        return True
    for position, word in enumerate(words):
        if word in RELATIVES and THEIRS & set(words[position + 1 : position + 4]):
            return True
    return False
