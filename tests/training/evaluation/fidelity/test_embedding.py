"""Oracles of the embedding metrics: identical sets, one dimension in closed form, a reference by square roots."""

import numpy as np
import pytest

from training.evaluation.fidelity.draws import Drawn
from training.evaluation.fidelity.embedding import collect, diversity, frechet, hashed, measure

TEXTS = ("Clear lungs.", "Right lower lobe consolidation.", "Small left effusion.", "No pneumothorax.")


def cloud(seed, size=200, dimensions=5):
    mix = np.random.default_rng(99).normal(size=(dimensions, dimensions))
    return np.random.default_rng(seed).normal(size=(size, dimensions)) @ mix


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def test_identical_sets_have_frechet_0():
    x = cloud(1)
    assert frechet(x, x) == pytest.approx(0, abs=1e-8)
    assert frechet(hashed(TEXTS), hashed(TEXTS)) == pytest.approx(0, abs=1e-8)


def test_one_dimension_in_closed_form():
    x = np.random.default_rng(1).normal(0, 1, (300, 1))
    y = np.random.default_rng(2).normal(3, 2, (300, 1))
    closed = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet(x, y) == pytest.approx(closed)


def test_frechet_equals_the_formula_with_matrix_square_roots():
    x, y = cloud(1), 1.4 * cloud(2) + 0.3
    s1, s2 = np.cov(x.T), np.cov(y.T)
    half = root(s1)
    cross = np.trace(root(half @ s2 @ half))
    formula = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * cross
    assert frechet(x, y) == pytest.approx(formula)


def test_diversity_by_hand():
    same, crossed = np.array([[1.0, 0], [1, 0]]), np.array([[1.0, 0], [0, 1]])
    assert (diversity(same), diversity(crossed)) == (pytest.approx(0), pytest.approx(1))
    three = np.array([[1.0, 0], [1, 0], [0, 1]])  # cosines 1, 0, 0
    assert diversity(three) == pytest.approx(2 / 3)
    # A row that a resample drew twice is not paired with itself.
    assert diversity(crossed, np.array([2.0, 1.0])) == pytest.approx(1)
    assert np.isnan(diversity(crossed[:1]))


def test_features_are_unit_vectors_and_depend_on_words_alone():
    one, other, empty = hashed(["Clear lungs.", "clear LUNGS", ""])
    assert np.linalg.norm(one) == pytest.approx(1)
    assert np.allclose(one, other)
    assert not empty.any()


def test_only_free_text_with_enough_results_and_one_draw_each():
    rows = [Drawn(str(n), "d", "Chest X-ray", TEXTS[n % 4], (TEXTS[n % 4], "ignored")) for n in range(20)]
    rows += [Drawn(str(n), "d", "Sodium", "138 mmol/L", ("139 mmol/L",)) for n in range(20)]
    rows += [Drawn(str(n), "d", "CT head", TEXTS[0], (TEXTS[1],)) for n in range(3)]
    tests, cases = collect(rows)
    assert [test.exam for test in tests] == ["Chest X-ray"]
    found = measure(tests, cases, repeats=20)
    assert (found.frechet, found.off) == (pytest.approx(0, abs=1e-8), pytest.approx(0))
    assert found.real == pytest.approx(found.diversity)
    assert measure([], 0).frechet is None
