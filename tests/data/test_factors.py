"""The grid of factors and the images' numbers."""

import numpy as np
import pytest

from topdis_jax.data.factors import FactorDataset


def _dataset(sizes=(2, 3, 4)):
    images = np.zeros((int(np.prod(sizes)), 5, 6, 1), np.uint8)
    return FactorDataset('d', images, tuple('abc'[:len(sizes)]), sizes)


def test_the_last_factor_is_the_fastest():
    data = _dataset()
    np.testing.assert_array_equal(
        data.factors_of([0, 1, 4, 23]),
        [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 2, 3]])


def test_inverse_of_one_another():
    data = _dataset()
    every = np.arange(len(data))
    np.testing.assert_array_equal(
        data.index_of(data.factors_of(every)), every)


def test_shape_and_length():
    assert len(_dataset()) == 24 and _dataset().image_shape == (5, 6, 1)


def test_images_of_factors():
    images = np.arange(24, dtype=np.uint8).reshape(24, 1, 1, 1)
    data = FactorDataset('d', images, ('a', 'b', 'c'), (2, 3, 4))
    np.testing.assert_array_equal(
        data.images_of([[0, 0, 1], [1, 2, 3]]).ravel(), [1, 23])


def test_samples_are_uniform_over_the_grid():
    data = _dataset()
    factors = data.sample_factors(24_000, np.random.default_rng(0))
    counts = np.bincount(data.index_of(factors), minlength=24)
    # Chi-square with 23 degrees of freedom: 99.99 % lie below 56.
    assert np.sum((counts - 1000) ** 2 / 1000) < 56
    again = data.sample_factors(24_000, np.random.default_rng(0))
    np.testing.assert_array_equal(factors, again)


def test_messages():
    data = _dataset()
    with pytest.raises(ValueError, match=r'index must lie in 0..23.*24'):
        data.factors_of([3, 24])
    with pytest.raises(ValueError, match=r'b must lie in 0..2.*-1'):
        data.index_of([[0, -1, 0]])
    with pytest.raises(ValueError, match=r'\[n, 3\]'):
        data.index_of([[0, 0]])
    with pytest.raises(ValueError, match='make 24 images, received 23'):
        FactorDataset('d', data.images[1:], data.factor_names,
                      data.factor_sizes)
    with pytest.raises(ValueError, match='float64'):
        FactorDataset('d', np.zeros((2, 4, 4, 1)))
    with pytest.raises(ValueError, match='no factors'):
        FactorDataset('d', data.images).factors_of([0])
    with pytest.raises(ValueError, match='no factors'):
        FactorDataset('d', data.images).sample_factors(
            1, np.random.default_rng(0))
