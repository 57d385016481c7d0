"""How far raters agree beyond chance, with intervals, and a judge's mean corrected by a few physicians."""

from agents.agreement.alpha import LEVELS, alpha, alpha_interval
from agents.agreement.bootstrap import Estimate, bootstrap_ci
from agents.agreement.kappa import kappa_interval, pairs_kappa_interval, weighted_kappa
from agents.agreement.ppi import Mean, classical_mean, ppi_mean
from agents.agreement.raters import RaterAgreement, majority_of_others, rater_agreement
from agents.agreement.raw import raw_agreement, raw_interval

__all__ = [
    "LEVELS",
    "Estimate",
    "Mean",
    "RaterAgreement",
    "alpha",
    "alpha_interval",
    "bootstrap_ci",
    "classical_mean",
    "kappa_interval",
    "majority_of_others",
    "pairs_kappa_interval",
    "ppi_mean",
    "rater_agreement",
    "raw_agreement",
    "raw_interval",
    "weighted_kappa",
]
