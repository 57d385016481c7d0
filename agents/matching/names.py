"""One spelling for the name of a disease, and the parts of a text that names several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPELLING: tuple[tuple[str, str], ...] = (
    ("aemi", "emi"), ("haem", "hem"), ("oedem", "edem"), ("oesoph", "esoph"), ("coeliac", "celiac"),
    ("tumour", "tumor"), ("rrhoea", "rrhea"), ("gynaec", "gynec"), ("paed", "ped"), ("goitre", "goiter"),
    ("foetal", "fetal"), ("sulph", "sulf"), ("oestr", "estr"), ("anaes", "anes"), ("caec", "cec"),
)  # fmt: skip
QUALIFIERS = frozenset(
    """acute severe mild moderate left right bilateral sided probable probably suspected likely possible possibly
    presumed uncomplicated complicated early late massive submassive active untreated unspecified classic typical
    atypical symptomatic recurrent extensive diffuse the a an new first episode of diagnosis final
    primary""".split()  # noqa: SIM905
)
"""Words that say how, where or how surely, not which disease; stripped at both ends of a name."""
_ALTERNATIVE = re.compile(r"\s+(?:or|vs\.?|versus|and/or)\s+|(?<=[A-Za-z])\s*/\s*(?=[A-Za-z])|\?\s*(?=\w)", re.I)
_LIST = re.compile(
    r"[;,\n•|]|(?:^|\s)\(?\d{1,2}[.)]\s+|\s+[-–—]\s+|\s+&\s+|\s\+\s|"
    r"\b(?:and|plus|also|with|without|due to|secondary to|complicated by|caused by|because of|in the setting of|"
    r"following|consistent with|superimposed on|on top of)\b",
    re.I,
)
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_LEAD = re.compile(r"^\W*(?:final |most likely |primary |working )*diagnos(?:is|es)\s*[:\-]\s*", re.I)


@dataclass(frozen=True, slots=True)
class Named:
    """The diseases that a text names, primary first; `alternatives` if it offers a choice between them."""

    parts: tuple[str, ...]
    alternatives: bool = False


def tokens(text: str) -> list[str]:
    """Lower-case words in one spelling, without possessive s and plural s."""
    text = re.sub(r"['’]s\b", "", text.lower())
    for british, american in _SPELLING:
        text = text.replace(british, american)
    return [_singular(word) for word in re.findall(r"[a-z0-9]+", text)]


def key(words: Sequence[str]) -> str:
    """Spaces and hyphens carry no meaning: pre-eclampsia, pre eclampsia and preeclampsia are one."""
    return "".join(words)


def core(words: Sequence[str]) -> list[str]:
    """Without qualifiers at either end; the words themselves if nothing would be left."""
    start, end = 0, len(words)
    while start < end and words[start] in QUALIFIERS:
        start += 1
    while end > start and words[end - 1] in QUALIFIERS:
        end -= 1
    return list(words[start:end] or words)


def initials(words: Sequence[str]) -> str:
    """The acronym of a name of at least two words, "of", "the" and "and" left out; else ''."""
    said = [word for word in words if word not in ("of", "the", "and", "with", "in")]
    return "".join(word[0] for word in said) if len(said) > 1 else ""


def named(text: str) -> Named:
    """What a text lists; brackets, "Diagnosis:" and parts that are only qualifiers left out."""
    bare = _BRACKETS.sub(" ", _LEAD.sub("", text)).strip(" .\n\t*_\"'")
    options = [option for option in _ALTERNATIVE.split(bare) if option.strip()]
    parts = [part.strip(" .:*_\"'") for option in options for part in _LIST.split(option)]
    told = [part for part in parts if any(word not in QUALIFIERS for word in tokens(part))]
    return Named(tuple(told), alternatives=len(options) > 1)


def _singular(word: str) -> str:
    # "diabetes", "sepsis", "virus" and "abscess" end in an s that is no plural.
    if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is", "es")):
        return word[:-1]
    return word
