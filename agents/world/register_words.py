"""The words of registers.py: beginnings, leads, asides and abbreviations, all the authors' own."""

from __future__ import annotations

BEGINNINGS = {
    "lay": (
        "Hi doctor,", "So,", "Well,", "Hello, sorry to bother you, but", "Hi there.", "Not sure if this matters, but",
        "OK so", "Thanks for seeing me.",
    ),
    "clerk": (
        "{person} presenting with {complaint}.", "Seen in clinic: {person} with {complaint}.",
        "{person}, self-referred, {complaint}.", "Chief complaint {complaint}, {person}.",
        "{person} attends because of {complaint}.",
    ),
    "telegraphic": (
        "{person} c/o {complaint}.", "{person}. {complaint}.", "{person}, {complaint}.", "PC: {complaint}. {person}.",
    ),
    "third": (
        "This {person} was brought in because of {complaint}.", "The {person} came by ambulance with {complaint}.",
        "A {person} is seen today for {complaint}.", "The patient, a {person}, has {complaint}.",
    ),
}  # fmt: skip
"""{person} and {complaint} are replaced."""
UNNAMED = ("a new problem", "an acute problem", "a problem that is hard to describe")
POSITIVE = {
    "clerk": ("Reports", "Also reports", "Associated with", "Complains of", "Positive for"),
    "telegraphic": ("Has", "With", "Pos:", "Also"),
    "third": ("There is also", "The patient mentions", "The patient has had", "The history includes"),
}
NEGATED = {
    "clerk": ("Denies", "No", "Negative for", "Denies any"),
    "telegraphic": ("No", "Neg for", "Denies", "Nil"),
    "third": ("There is no", "The patient denies", "The patient has had no", "There has been no"),
}
JOINTS = (", and ", ". Also ", ". ", ". And ", ". Oh, and ", ". ")
ASIDES = {
    "lay": (
        "I read something online and now I'm not sleeping.", "My neighbour thinks it is nothing.",
        "I had to take the bus to get here.", "I took some paracetamol but it didn't help much.",
        "Sorry, I'm not good at explaining things.", "I've been busy at work lately.",
        "I would rather not be here to be honest.", "My friend said it could be stress.",
    ),
    "clerk": (
        "Took paracetamol without effect.", "Poor historian.", "Works in an office, lives with family.",
        "Last seen two years ago for an ankle sprain.", "Old notes not available.", "Speaks through an interpreter.",
        "Believes it is caused by something eaten.", "Records from the other hospital pending.",
    ),
    "telegraphic": ("Poor historian.", "Lives alone.", "Notes n/a.", "Self-medicated, no effect.", "Interpreter used."),
    "third": (
        "The patient thinks it may be stress.", "Old records could not be found.", "The patient lives alone.",
        "A colleague noticed it first.", "Nothing was tried at home.", "The account changes when asked again.",
    ),
}  # fmt: skip
ABBREVIATED = {
    "dyspnea": "SOB", "chest_pain": "CP", "fever": "pyrexia", "abdominal_pain": "abdo pain", "hypertension": "HTN",
    "leg_swelling_bilateral": "ankle swelling",
}  # fmt: skip
"""Used only where the reader understands them, which the tests check."""
