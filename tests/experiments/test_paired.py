"""Statistics of pairs: against SciPy and closed forms."""

import itertools

import numpy as np
import pytest
from scipy import stats

from experiments.study import paired


def test_mean_and_deviation():
    assert paired.mean_and_deviation([1, 2, 3, 6]) == (
        3.0, pytest.approx(np.sqrt(14 / 3)))
    mean, deviation = paired.mean_and_deviation([4.0])
    assert mean == 4 and np.isnan(deviation)
    with pytest.raises(ValueError):
        paired.mean_and_deviation([])


@pytest.mark.parametrize('n', [2, 5, 30])
def test_the_t_interval_and_test_are_scipys(n):
    values = np.random.default_rng(n).normal(0.3, 2.0, n)
    theirs = stats.ttest_1samp(values, 0)
    assert paired.t_interval(values) == pytest.approx(
        (values.mean(), *theirs.confidence_interval(0.95)))
    assert paired.t_interval(values, level=0.5)[1:] == pytest.approx(
        theirs.confidence_interval(0.5))
    assert paired.t_test(values) == pytest.approx(theirs.pvalue)


def test_the_t_interval_of_two_values_is_that_of_a_table():
    # With one degree of freedom the quantile of 97.5 % is 12.706.
    assert paired.t_interval([0.0, 2.0]) == pytest.approx(
        (1, 1 - 12.706, 1 + 12.706), abs=1e-3)


def test_the_t_interval_of_five_values_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [paired.t_interval(rng.normal(size=5)) for _ in range(2000)]
    covered = np.mean([low < 0 < high for _, low, high in found])
    assert abs(covered - 0.95) < 0.02  # four standard errors


def test_equal_and_single_values():
    assert paired.t_interval([2.0] * 5) == (2, 2, 2)
    assert (paired.t_test([2.0] * 5), paired.t_test([0.0] * 5)) == (0, 1)
    assert np.isnan(paired.t_interval([2.0])[1:]).all()
    assert np.isnan(paired.t_test([2.0]))
    assert paired.sign_flip_test([2.0]) == 1


@pytest.mark.parametrize('n', [1, 2, 5, 9])
def test_the_sign_flip_test_counts_all_signs(n):
    values = np.round(np.random.default_rng(n).normal(0.4, 1, n), 1)
    sums = [abs(np.dot(signs, values))
            for signs in itertools.product((-1, 1), repeat=n)]
    expected = np.mean(np.array(sums) >= abs(values.sum()) - 1e-9)
    assert paired.sign_flip_test(values) == pytest.approx(expected)
    assert paired.sign_flip_test(-values) == pytest.approx(expected)


def test_the_sign_flip_test_is_scipys_of_pairs():
    off, on = np.random.default_rng(3).normal((0, 0.5), 1, (10, 2)).T
    theirs = stats.permutation_test(
        (on, off), lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type='samples', n_resamples=np.inf, vectorized=True)
    assert paired.sign_flip_test(on - off) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize('n', [2, 5, 30, 40])
def test_of_values_of_one_sign_two_choices_reach_the_mean(n):
    assert paired.sign_flip_test([0.1] * n) == 2.0 ** (1 - n)


@pytest.mark.parametrize('n,rises', [(21, 15), (40, 27)])
def test_of_equal_sizes_it_is_the_sign_test(n, rises):
    values = [0.3] * rises + [-0.3] * (n - rises)
    assert paired.sign_flip_test(values) == pytest.approx(
        stats.binomtest(rises, n).pvalue)


def test_more_values_take_random_signs():
    values = [0.3] * 33 + [-0.3] * 17
    exact = stats.binomtest(33, 50).pvalue  # 0.033
    found = paired.sign_flip_test(values, flips=150_001)
    assert found == pytest.approx(exact, abs=5 * np.sqrt(exact / 150_000))
    assert found == paired.sign_flip_test(values, flips=150_001)
    assert found != paired.sign_flip_test(values, flips=150_001, seed=1)
    # None of the random signs reaches it; those that came do.
    assert paired.sign_flip_test([1.0] * 60, flips=99) == 0.01


@pytest.mark.parametrize('n', [3, 50])
def test_what_is_not_finite_has_no_p(n):
    values = np.arange(1.0, n + 1)
    for wrong in (np.nan, np.inf):
        values[1] = wrong
        assert np.isnan(paired.sign_flip_test(values))


def test_no_effect_has_p_1():
    assert paired.sign_flip_test([0.0, 0.0]) == 1
    assert paired.sign_flip_test([1.0, -1.0]) == 1


def test_holm_by_hand():
    # Smallest to largest: 3 * 0.01, 2 * 0.03, then no less than before.
    assert paired.holm([0.03, 0.01, 0.04]) == pytest.approx(
        [0.06, 0.03, 0.06])
    assert paired.holm([0.5, 0.4]) == pytest.approx([0.8, 0.8])
    assert paired.holm([0.9, 0.6]) == [1, 1]
    assert paired.holm([0.02]) == [0.02]
    assert paired.holm([]) == []


def test_holm_leaves_out_what_was_not_tested():
    found = paired.holm([0.01, np.nan, 0.04])
    assert np.isnan(found[1])
    assert [found[0], found[2]] == pytest.approx([0.02, 0.04])
