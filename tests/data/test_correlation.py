"""Correlated factors: drawn as the formula says, a pure function of a step."""

import numpy as np
import pytest
from scipy import stats

from topdis_jax.data import correlation, pipeline
from topdis_jax.data.errors import DataError
from topdis_jax.data.factors import FactorDataset

SIZES = {'shape': 3, 'scale': 6, 'x': 8, 'y': 5, 'one': 1}


@pytest.fixture
def data():
    images = np.zeros((np.prod(list(SIZES.values())), 1, 1, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(images)) % 251
    return FactorDataset('d', images, tuple(SIZES), tuple(SIZES.values()))


def _draw(data, pairs, steps=100, size=1000):
    draw = correlation.sampler(data, pairs)
    return data.factors_of(np.concatenate(
        [draw(0, step, size) for step in range(steps)]))


def _p_value(factors, probabilities):
    counts = np.zeros(probabilities.shape)
    np.add.at(counts, tuple(factors.T), 1)
    expected = probabilities * len(factors)
    often = expected > 5
    # Those of few images are one class.
    return stats.chisquare(
        [*counts[often], counts[~often].sum()],
        [*expected[often], max(expected[~often].sum(), 1e-9)]).pvalue


@pytest.mark.parametrize('sigma', [0.1, 0.4, 0.7])
@pytest.mark.parametrize('names', [('x', 'y'), ('y', 'shape')])
def test_a_pair_follows_the_formula(data, names, sigma):
    factors = _draw(data, ((*names, sigma),))
    i, j = sorted(data.factor_names.index(name) for name in names)
    sizes = data.factor_sizes
    expected = np.array([[
        np.exp(-(a / (sizes[i] - 1) - b / (sizes[j] - 1)) ** 2
               / (2 * sigma ** 2)) for b in range(sizes[j])]
        for a in range(sizes[i])])
    expected /= expected.sum()
    assert _p_value(factors[:, [i, j]], expected) > 1e-3
    # The others are uniform, and independent of the pair.
    k = data.factor_names.index('scale')
    assert _p_value(factors[:, [i, j, k]], np.repeat(
        expected[..., None] / 6, 6, axis=2)) > 1e-3


def test_pairs_that_share_a_factor(data):
    pairs = (('x', 'y', 0.3), ('scale', 'x', 0.2))
    factors = _draw(data, pairs)
    expected = correlation.joint(data, pairs)
    assert expected.shape == (6, 8, 5)
    a, b, c = np.ogrid[0:1:6j, 0:1:8j, 0:1:5j]
    formula = np.exp(-(b - c) ** 2 / 0.18 - (a - b) ** 2 / 0.08)
    np.testing.assert_allclose(expected, formula / formula.sum())
    assert _p_value(factors[:, 1:4], expected) > 1e-3


@pytest.mark.parametrize('sigma', [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0])
def test_what_is_said_of_one_factor_alone(sigma):
    data = FactorDataset('d', np.zeros((1280, 1, 1, 1), np.uint8),
                         ('a', 'b'), (32, 40))
    alone = 32 * correlation.joint(data, (('a', 'b', sigma),)).sum(1)
    np.testing.assert_allclose(alone[0], alone[-1])
    assert 0.59 < alone[0] < 1
    assert alone.max() < 1.25


def test_a_tiny_sigma_is_the_diagonal(data):
    data = FactorDataset('d', np.zeros((25, 1, 1, 1), np.uint8), ('a', 'b'),
                         (5, 5))
    factors = _draw(data, [['a', 'b', 1e-6]], steps=1)
    np.testing.assert_array_equal(factors[:, 0], factors[:, 1])
    assert len(np.unique(factors)) == 5


def test_a_pure_function_of_seed_step_and_stream(data):
    pairs = (('x', 'y', 0.3),)
    draw, again = (correlation.sampler(data, pairs) for _ in range(2))
    np.testing.assert_array_equal(draw(1, 7, 32), again(1, 7, 32))
    for args in ((2, 7, 32), (1, 8, 32), (1, 7, 32, 1)):
        assert np.any(draw(1, 7, 32) != draw(*args))
    np.testing.assert_array_equal(
        pipeline.batch(data, 1, 7, 32, stream=3, sampler=draw),
        data.images[draw(1, 7, 32, stream=3)])
    assert correlation.sampler(data, ()) is None


@pytest.mark.parametrize('pairs,match', [
    (('x', 'y', 0.2), "'x' must be .factor, factor, sigma."),
    ((('x', 'y'),), 'must be .factor, factor, sigma.'),
    ((('x', 'z', 0.2),), "no factor 'z'.*shape, scale, x, y"),
    ((('x', 'x', 0.2),), 'different'), ((('x', 'one', 1.0),), 'one value'),
    ((('x', 'y', 0),), 'positive'), ((('x', 'y', -1.0),), 'positive'),
    ((('x', 'y', 'wide'),), 'positive'),
    ((('x', 'y', float('nan')),), 'positive'),
    ((('x', 'y', float('inf')),), 'positive')])
def test_messages(data, pairs, match):
    with pytest.raises(
            DataError, match='^correlation .*config.data.corr') as error:
        correlation.sampler(data, pairs)
    assert error.match(match)


def test_without_factors():
    data = FactorDataset('d', np.zeros((4, 1, 1, 1), np.uint8))
    with pytest.raises(DataError, match='its factors are none'):
        correlation.sampler(data, (('x', 'y', 0.2),))
