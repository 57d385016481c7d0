"""BLEU against numbers worked out by hand."""

import pytest

from training.evaluation.fidelity.bleu import bleu, counts, score, tokens
from training.evaluation.fidelity.draws import Drawn


def one(reference, candidate):
    return float(score(counts(reference, candidate)))


def test_by_hand():
    assert one("a b c d e", "a b c d e") == pytest.approx(100)
    # precisions 4/5, 3/4, 2/3, 1/2: their product is 1/5
    assert one("a b c d e", "a b c d f") == pytest.approx(100 * 0.2**0.25)
    # all n-grams match, four of five words: brevity exp(1 - 5/4)
    assert one("a b c d e", "a b c d") == pytest.approx(100 * 2.718281828 ** (1 - 5 / 4))
    assert one("a b c d", "d c b a") == 0.0


def test_matches_are_clipped():
    found = counts("the cat is on the mat", "the the the the the the the")
    assert (found[0], found[4]) == (2, 7)


def test_a_corpus_is_summed_before_it_is_divided():
    rows = [
        Drawn("1", "d", "e", "a b c d e", ("a b c d f",)),
        Drawn("2", "d", "e", "p q r s t", ("p q r s t",)),
    ]
    value, interval = bleu(rows)
    assert value == pytest.approx(100 * (9 / 10 * 7 / 8 * 5 / 6 * 3 / 4) ** 0.25)
    assert interval[0] <= value <= interval[1]
    assert bleu([]) == (None, None)


def test_numbers_are_one_word():
    assert tokens("Na: 138.0 mmol/L") == ["Na", ":", "138.0", "mmol", "/", "L"]
