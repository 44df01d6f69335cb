"""Laws, closed forms and gradients of the distances."""

from absl.testing import absltest, parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import distance

from topdis_jax import topology
from topdis_jax.topology import distances


class VariantsTest(chex.TestCase, parameterized.TestCase):

    @chex.variants(with_jit=True, without_jit=True, with_device=True,
                   without_device=True)
    def test_equals_scipy(self):
        x = np.random.default_rng(0).normal(size=(9, 4, 3)).astype(np.float32)
        dist = self.variant(topology.pairwise_distances)(x)
        expected = distance.squareform(distance.pdist(x.reshape(9, 12)))
        np.testing.assert_allclose(dist, expected, rtol=1e-5, atol=1e-6)

    @chex.variants(with_jit=True, without_jit=True)
    def test_scaling_equals_numpy_quantile(self):
        dist = topology.pairwise_distances(_cloud(11, 3))
        scaled = self.variant(topology.scale_by_quantile)(dist)
        np.testing.assert_allclose(
            scaled, dist / np.quantile(dist, 0.9), rtol=1e-5)


def _cloud(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(n, d)), jnp.float32)


@pytest.mark.parametrize('n,d', [(33, 129), (12, 3)])
@pytest.mark.parametrize('compiled', [False, True])
def test_symmetric_with_zero_diagonal(n, d, compiled):
    # Compiled as one, rounding may differ between [i, j] and [j, i].
    function = topology.pairwise_distances
    dist = np.asarray((jax.jit(function) if compiled else function)(
        _cloud(n, d)))
    np.testing.assert_array_equal(dist, dist.T)
    np.testing.assert_array_equal(np.diag(dist), 0)


def test_near_points_far_from_the_origin_keep_their_digits():
    x = 1000 + jnp.asarray([[0.0], [1 / 1024]])
    dist = topology.pairwise_distances(x)
    assert dist[0, 1] == 1 / 1024


@pytest.mark.parametrize('n', [0, 1, 2])
def test_degenerate_sizes(n):
    dist = topology.pairwise_distances(_cloud(n, 3))
    assert dist.shape == (n, n)
    assert topology.scale_by_quantile(dist).shape == (n, n)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_leaves_the_others_right(bad):
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    expected = topology.pairwise_distances(x[:5])
    found = np.asarray(topology.pairwise_distances(
        np.where(np.arange(6)[:, None] == 5, np.float32(bad), x)))
    np.testing.assert_array_equal(found[:5, :5], expected)
    assert not np.isfinite(found[5, :5]).any()


def test_gradient_is_zero_at_distance_zero():
    x = jnp.ones((5, 3))
    grad = jax.grad(lambda x: jnp.sum(topology.pairwise_distances(x)))(x)
    np.testing.assert_array_equal(grad, 0)


def test_gradient_of_coinciding_points_is_that_of_the_others():
    x = jnp.asarray([[0.0, 0], [0, 0], [3, 4]])
    grad = jax.grad(lambda x: jnp.sum(topology.pairwise_distances(x)) / 2)(x)
    np.testing.assert_allclose(
        grad, [[-0.6, -0.8], [-0.6, -0.8], [1.2, 1.6]], rtol=1e-6)


def test_gradient_equals_closed_form_in_double():
    x = _cloud(8, 5)
    weights = np.random.default_rng(1).normal(size=(8, 8))

    def loss(x):
        return jnp.sum(weights.astype(np.float32)
                       * topology.pairwise_distances(x))

    y = np.asarray(x, np.float64)
    difference = y[:, None] - y[None]
    norm = np.linalg.norm(difference, axis=2) + np.eye(8)
    both = weights + weights.T
    expected = np.sum((both / norm)[..., None] * difference, axis=1)
    np.testing.assert_allclose(jax.grad(loss)(x), expected, rtol=2e-5,
                               atol=2e-5)


def test_spread_over_devices_equals_one_device():
    x = _cloud(8, 5)
    weights = _cloud(8, 8, seed=3)

    def loss(x, axis_name):
        dist = topology.pairwise_distances(x, axis_name=axis_name)
        return jnp.sum(weights * dist), dist

    one, dist = jax.grad(lambda x: loss(x, None), has_aux=True)(x)
    many, dists = jax.pmap(jax.grad(lambda x: loss(x, 'd'), has_aux=True),
                           axis_name='d')(x.reshape(4, 2, 5))
    for each in dists:
        np.testing.assert_allclose(each, dist, rtol=1e-6)
    # Each of the four devices holds the loss: four times its gradient.
    np.testing.assert_allclose(many.reshape(8, 5) / 4, one, rtol=1e-4,
                               atol=1e-5)


@pytest.mark.parametrize('kept', [0, 1, 2, 5, 9])
def test_masked_scaling_equals_compressed(kept):
    dist = np.array(topology.pairwise_distances(_cloud(9, 3)))
    mask = np.zeros(9, bool)
    mask[np.random.default_rng(0).permutation(9)[:kept]] = True
    dist[~mask] = np.nan  # whatever stands there
    scaled = topology.scale_by_quantile(dist, mask=mask, quantile=0.7)
    compressed = topology.scale_by_quantile(dist[mask][:, mask], quantile=0.7)
    np.testing.assert_array_equal(scaled[mask][:, mask], compressed)


@pytest.mark.parametrize('n', [1, 2, 7, 20])
@pytest.mark.parametrize('quantile', [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize('ties', [False, True])
def test_quantile_equals_numpy(n, quantile, ties):
    dist = np.array(topology.pairwise_distances(_cloud(n, 3)))
    dist = np.round(2 * dist) / 2 if ties else dist
    scaled = topology.scale_by_quantile(dist, quantile=quantile)
    scale = np.quantile(dist, quantile) or np.float32(1e-5)
    np.testing.assert_allclose(scaled, dist / scale, rtol=1e-6)


def test_ranks_that_float32_rounds_up():
    n = 4098  # float32(n * n - 1) is n * n
    dist = np.random.default_rng(0).random((n, n), np.float32)
    scaled = topology.scale_by_quantile(dist, quantile=1.0)
    np.testing.assert_allclose(scaled[:2], dist[:2] / dist.max(), rtol=1e-6)


def test_both_forms_of_the_norms_are_equal():
    x, rows = _cloud(5, 21), _cloud(9, 21, seed=2)
    for scale in (np.float32(1), np.float32(0.25)):
        np.testing.assert_allclose(
            distances._norms(x, rows, scale),
            distances._norms_on_cpu(x, rows, scale), rtol=1e-6)


def test_scale_is_constant_to_autodiff():
    dist = topology.pairwise_distances(_cloud(6, 3))
    grad = jax.grad(lambda d: topology.scale_by_quantile(d)[0, 1])(dist)
    expected = np.zeros((6, 6))
    expected[0, 1] = 1 / np.quantile(dist, 0.9)
    np.testing.assert_allclose(grad, expected, rtol=1e-5)


def test_zero_quantile_is_replaced():
    scaled = topology.scale_by_quantile(jnp.zeros((4, 4)))
    np.testing.assert_array_equal(scaled, 0)
    dist = jnp.zeros((4, 4)).at[0, 1].set(1e-5).at[1, 0].set(1e-5)
    scaled = topology.scale_by_quantile(dist, quantile=0.5, floor=0)
    assert scaled[0, 1] == 1


def _nearly_collapsed(n=30, apart=2, eps=0.0):
    """All points coincide, up to eps, but for a few at distance 1 or more."""
    x = np.zeros((n, 1), np.float32)
    x[:apart, 0] = 1 + np.arange(apart)
    x[apart:, 0] += eps * np.arange(n - apart)
    return topology.pairwise_distances(x)


@pytest.mark.parametrize('eps', [0, 1e-12, 1e-9, 1e-6])
def test_nearly_coinciding_points_have_moderate_distances(eps):
    # The quantile is 0, or tiny.
    scaled = topology.scale_by_quantile(_nearly_collapsed(apart=1, eps=eps))
    np.testing.assert_allclose(np.max(scaled), 20, rtol=1e-4)
    published = topology.scale_by_quantile(
        _nearly_collapsed(apart=1, eps=eps), floor=0)
    assert np.max(published) > 1e4


def test_an_interpolated_tiny_quantile_gives_moderate_distances():
    dist = _nearly_collapsed(n=4, apart=1)  # 10 of 16 entries are 0
    scaled = topology.scale_by_quantile(dist, quantile=(9 + 1e-5) / 15)
    np.testing.assert_allclose(np.max(scaled), 20, rtol=1e-4)


def test_the_floor_is_not_noticed_by_other_clouds():
    dist = topology.pairwise_distances(_cloud(20, 3))
    np.testing.assert_array_equal(
        topology.scale_by_quantile(dist),
        topology.scale_by_quantile(dist, floor=0))


@pytest.mark.parametrize('size', [1e-45, 2e-38, 1e-31, 1e-20, 1e30, 3e38])
def test_distances_of_any_size_scale_to_finite_ones(size):
    dist = np.float32(size) * (1 - np.eye(5, dtype=np.float32))
    scaled, grad = jax.value_and_grad(
        lambda d: jnp.sum(100 * topology.scale_by_quantile(d)))(dist)
    assert np.isfinite(scaled) and np.all(np.isfinite(grad))


@pytest.mark.parametrize('option', ['quantile', 'floor'])
def test_traced_options(option):
    dist = topology.pairwise_distances(_cloud(7, 3))

    @jax.jit
    def scaled(value):
        return topology.scale_by_quantile(dist, **{option: value})

    np.testing.assert_allclose(
        scaled(0.4), topology.scale_by_quantile(dist, **{option: 0.4}),
        rtol=1e-6)
    for wrong in (-0.1, 1.5, np.nan):
        assert np.all(np.isnan(scaled(wrong)))


def test_second_call_compiles_nothing(caplog):
    x = _cloud(13, 3)

    def use(x):
        return topology.scale_by_quantile(
            topology.pairwise_distances(x), quantile=float(x[0, 0]) % 1)

    use(x)
    other = 2 * x
    with jax.log_compiles():
        use(other)
    assert 'Compiling' not in caplog.text


def test_messages():
    with pytest.raises(TypeError, match='int32'):
        topology.pairwise_distances(jnp.ones((2, 2), jnp.int32))
    with pytest.raises(ValueError, match=r'shape \(\)'):
        topology.pairwise_distances(1.0)
    with pytest.raises(ValueError, match=r'\(2, 3\)'):
        topology.scale_by_quantile(jnp.ones((2, 3)))
    with pytest.raises(ValueError, match='quantile'):
        topology.scale_by_quantile(jnp.ones((2, 2)), quantile=1.5)
    with pytest.raises(ValueError, match='mask'):
        topology.scale_by_quantile(jnp.ones((2, 2)), mask=jnp.ones(3, bool))
    with pytest.raises(TypeError, match='dist must be floating.*int32'):
        topology.scale_by_quantile(jnp.ones((2, 2), jnp.int32))
    with pytest.raises(ValueError, match='mask must be bool.*float32'):
        topology.scale_by_quantile(jnp.ones((2, 2)), mask=jnp.ones(2))
    with pytest.raises(ValueError, match='floor.*nan'):
        topology.scale_by_quantile(jnp.ones((2, 2)), floor=np.nan)


if __name__ == '__main__':
    absltest.main()
