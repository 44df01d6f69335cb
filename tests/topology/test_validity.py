"""Checks of known values, and repair of distances that rounding spoilt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.topology.test_persistence import INVALID, _spoilt
from topdis_jax import topology
from topdis_jax.topology import validity


def _points(n=12, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def _valid(n=6, seed=0):
    return np.array(topology.pairwise_distances(_points(n, seed=seed)))


@pytest.mark.parametrize('engine', ['host', 'xla'])
@pytest.mark.parametrize('message', INVALID)
def test_known_matrices_that_are_wrong_raise(message, engine):
    lower, upper = _spoilt(5, **INVALID[message])
    if message.startswith('upper must not be negative'):
        message = 'lower must not be negative'
    with pytest.raises(ValueError, match=message):
        topology.relative_barcode(lower, upper, engine=engine)
    with pytest.raises(ValueError, match=message):
        topology.relative_barcode(jnp.asarray(lower), jnp.asarray(upper))


def test_rtd_names_its_argument_and_the_batch_its_item():
    good, bad = _valid(), _valid()
    bad[2, 4] += 1
    with pytest.raises(ValueError, match='dist_y must be symmetric; take '
                                         r'topology.symmetrize.*\[2, 4\]'):
        topology.rtd(good, bad)
    with pytest.raises(ValueError, match=r'upper must be sym.*\[1, 2, 4\]'):
        topology.relative_barcode(np.stack([good, good]) / 9,
                                  np.stack([good, bad]))


def test_one_order_of_the_two_is_free_in_rtd():
    assert topology.rtd(_valid(), 2 * _valid()) > 0


def test_points_that_do_not_take_part_are_not_looked_at():
    x, y = _valid(), _valid(seed=1)
    mask = np.arange(6) != 4
    want = topology.rtd(x, y, mask=mask)
    x[4], y[:, 4] = np.nan, -1
    assert topology.rtd(x, y, mask=mask) == want
    with pytest.raises(ValueError, match='dist_x must be finite'):
        topology.rtd(x, y)


def test_traced_matrices_give_nan():
    bad = _valid()
    bad[2, 4] += 1
    assert np.isnan(jax.jit(topology.rtd)(bad, bad))
    assert np.isnan(jax.vmap(topology.rtd)(bad[None], bad[None])[0])
    loss, _ = jax.value_and_grad(topology.rtd, argnums=(0, 1))(bad, bad)
    assert np.isnan(loss)


@pytest.mark.filterwarnings('ignore:overflow')
def test_float64_is_looked_at_in_float32():
    # Asymmetric and above `upper` only in digits that float32 has not.
    lower = _valid().astype(np.float64)
    lower[1, 2] *= 1 + 1e-12
    assert topology.relative_barcode(lower, lower / (1 + 1e-12)).count == 0
    with pytest.raises(ValueError, match='range of float32: received 1e.300'):
        topology.rtd(lower, np.where(lower > 0, 1e300, 0))


@pytest.mark.parametrize('value', [2.7, 2.0, True, np.True_, 0, '2'])
def test_counts_that_are_none(value):
    with pytest.raises(ValueError, match='num_bars must be a whole number of'):
        topology.rtd(_valid(), _valid(), num_bars=value)


@pytest.mark.parametrize('value', [np.int64(3), np.uint8(3), jnp.int32(3)])
def test_counts_of_other_types(value):
    loss = topology.rtd(_valid(), _valid(seed=1), num_bars=value)
    assert loss == topology.rtd(_valid(), _valid(seed=1), num_bars=3)


def test_traced_count():
    dist = _valid()
    with pytest.raises(ValueError, match='num_bars.*static_argnames'):
        jax.jit(lambda n: topology.rtd(dist, dist, num_bars=n))(3)


@pytest.mark.parametrize('mask', [
    np.ones((2, 6), bool), np.ones((1, 6), bool), np.ones(5, bool),
    np.ones(6), np.ones(6, int), True])
def test_masks_that_do_not_fit(mask):
    for function in (topology.rtd, topology.relative_barcode):
        with pytest.raises(ValueError, match=r'mask must be bool with shape '
                                             r'\[6\].*\(6, 6\), received'):
            function(_valid(), _valid(), mask=mask)
    with pytest.raises(ValueError, match='mask must be bool'):
        topology.scale_by_quantile(_valid(), mask=mask)


def test_a_mask_may_be_one_for_the_batch():
    pair = np.stack([_valid(), _valid(seed=1)])
    mask = np.arange(6) < 4
    for each in (mask, mask[None], np.stack([mask, mask])):
        bars = topology.relative_barcode(pair, 2 * pair, mask=each)
        assert bars.deaths.shape == (2, 50)
    with pytest.raises(ValueError, match=r'\[..., 6\].*\(3, 6\)'):
        topology.relative_barcode(pair, pair, mask=np.stack([mask] * 3))


def test_quantile_scales_both_first():
    x, y = _valid(), 7 * _valid(seed=1)
    mask = np.arange(6) != 2
    scaled = [topology.scale_by_quantile(d, mask=mask, quantile=0.8)
              for d in (x, y)]
    assert topology.rtd(x, y, mask=mask, quantile=0.8) == topology.rtd(
        *scaled, mask=mask)
    # So the unit of either does not matter.
    np.testing.assert_allclose(topology.rtd(x, y, quantile=0.8),
                               topology.rtd(3 * x, y, quantile=0.8), rtol=1e-5)


def test_traced_power():
    pair = _valid(), _valid(seed=1)
    loss = jax.jit(lambda p: topology.rtd(*pair, power=p))
    np.testing.assert_allclose(
        loss(1.5), topology.rtd(*pair, power=1.5), rtol=1e-5)
    assert np.isnan(loss(0.5)) and np.isnan(loss(np.nan))


def _cosine(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return 1 - unit @ unit.T


def _by_product(x):
    square = np.sum(x ** 2, axis=1)
    return np.sqrt(np.maximum(
        square[:, None] + square - 2 * x @ x.T, 0))


def _uncorrelated(x):
    centered = x - x.mean(axis=1, keepdims=True)
    return _cosine(centered)


@pytest.mark.parametrize('distances', [_cosine, _by_product, _uncorrelated])
def test_distances_that_users_have(distances):
    x = distances(_points(40, 8))
    y = distances(_points(40, 8, seed=1))
    with pytest.raises(ValueError, match='dist_x must.*symmetrize'):
        topology.rtd(x, y)
    mended = [topology.symmetrize(d) for d in (x, y)]
    assert np.isfinite(topology.rtd(*mended))
    np.testing.assert_allclose(mended[0], x, atol=3e-3)
    traced = jax.jit(lambda *pair: topology.rtd(
        *map(topology.symmetrize, pair)))(x, y)
    np.testing.assert_allclose(traced, topology.rtd(*mended), rtol=1e-5)


def test_a_valid_matrix_stays_as_it_is():
    np.testing.assert_array_equal(topology.symmetrize(_valid()), _valid())
    assert topology.symmetrize(np.zeros((0, 0))).shape == (0, 0)


def test_symmetrize_in_batches_and_with_a_mask():
    pair = np.stack([_valid(), _valid(seed=1)])
    pair[1, 2] = np.nan
    mask = np.arange(6) != 2
    mended = topology.symmetrize(pair, mask=mask)
    np.testing.assert_array_equal(mended[:, mask][:, :, mask],
                                  pair[:, mask][:, :, mask])
    np.testing.assert_array_equal(mended[:, 2], 0)


def test_gradient_goes_to_both_entries_and_not_to_what_was_set():
    dist = np.array([[0, 2, -1e-6], [2, 0, 1], [-1e-6, 1, 1e-6]])
    grad = jax.grad(lambda d: topology.symmetrize(d)[0, 1]
                    + jnp.sum(topology.symmetrize(d)[2]))(dist)
    np.testing.assert_allclose(grad, [[0, 0.5, 0], [0.5, 0, 0.5],
                                      [0, 0.5, 0]])


@pytest.mark.parametrize('place,value', [
    ((1, 2), np.nan), ((1, 2), np.inf), ((1, 2), 5.0), ((3, 3), 0.1),
    ((slice(None), slice(None)), -1.0)])
def test_faults_that_are_not_rounding(place, value):
    dist = _valid()
    dist[place] = value
    with pytest.raises(ValueError, match='up to rounding: received'):
        topology.symmetrize(dist)
    both = jax.jit(jax.vmap(topology.symmetrize))(np.stack([dist, _valid()]))
    assert np.all(np.isnan(both[0]))
    np.testing.assert_array_equal(both[1], _valid())
    assert np.isnan(jax.jit(lambda d: topology.symmetrize(d[None]))(dist)).all()


def test_tolerance():
    dist = _valid()
    dist[1, 2] *= 1.02
    with pytest.raises(ValueError, match='larger tolerance'):
        topology.symmetrize(dist)
    assert np.isfinite(topology.symmetrize(dist, tolerance=0.05)).all()
    with pytest.raises(ValueError, match='tolerance must lie'):
        topology.symmetrize(dist, tolerance=-1)


def test_options_are_scalars():
    with pytest.raises(ValueError, match=r'a must be a scalar.*\(2,\)'):
        validity.check_option('a', np.ones(2), lambda x: True, '')
