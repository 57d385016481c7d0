"""How much one annotator may weigh, who differs from all others, and what would change without each of them."""

from clinic.influence.cap import CAP, Row, factors, largest_share, weights
from clinic.influence.outliers import Agreement, agreements, outliers, units_of
from clinic.influence.without import Majority, Said, Without, majorities, without_each

__all__ = [
    "CAP",
    "Agreement",
    "Majority",
    "Row",
    "Said",
    "Without",
    "agreements",
    "factors",
    "largest_share",
    "majorities",
    "outliers",
    "units_of",
    "weights",
    "without_each",
]
