"""The latent shift against SciPy, its laws and its singular points."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from topdis_jax import losses


def _codes(n=64, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)).astype(np.float32) * 2 + 1


class VariantsTest(chex.TestCase):

    @chex.variants(with_jit=True, without_jit=True, with_device=True,
                   without_device=True)
    def test_equals_scipy(self):
        z = _codes()
        for seed in range(6):
            shifted, valid, dimension = self.variant(losses.latent_shift)(
                z, jax.random.key(seed))
            _check_against_scipy(z, np.asarray(shifted), np.asarray(valid),
                                 int(dimension))


def _check_against_scipy(z, shifted, valid, dimension):
    others = np.arange(z.shape[1]) != dimension
    np.testing.assert_array_equal(shifted[:, others], z[:, others])
    np.testing.assert_array_equal(shifted[~valid], z[~valid])
    column = z[:, dimension].astype(float)
    mean, std = column.mean(), column.std(ddof=1)
    p = stats.norm.cdf((column - mean) / std)
    sign = np.sign(shifted[valid, dimension] - z[valid, dimension])[0]
    moved = p + sign / 8
    np.testing.assert_array_equal(valid, (moved > 1e-3) & (moved < 1 - 1e-3))
    np.testing.assert_allclose(
        shifted[valid, dimension],
        stats.norm.ppf(moved[valid]) * std + mean, rtol=1e-3, atol=1e-3)


def test_both_signs_and_all_latents_are_drawn():
    z = jnp.asarray(_codes(n=16, d=3))
    shifted, valid, dimension = jax.jit(jax.vmap(
        lambda rng: losses.latent_shift(z, rng)))(
            jax.random.split(jax.random.key(0), 300))
    drawn = np.bincount(dimension, minlength=3)
    assert stats.chisquare(drawn).pvalue > 1e-3
    up = np.asarray(jnp.sum(shifted - z[None], axis=(1, 2)) > 0)
    assert 110 < up.sum() < 190  # 4 standard deviations of 150
    assert 0.75 < np.mean(valid) < 0.95


def test_weights_are_the_odds():
    z, weights = jnp.asarray(_codes(d=3)), jnp.asarray([1.0, 0.0, 3.0])
    _, _, dimension = jax.jit(jax.vmap(
        lambda rng: losses.latent_shift(z, rng, weights=weights)))(
            jax.random.split(jax.random.key(1), 400))
    drawn = np.bincount(dimension, minlength=3)
    assert drawn[1] == 0
    assert stats.chisquare(drawn[[0, 2]], [100, 300]).pvalue > 1e-3


def test_weights_that_are_all_zero_draw_uniformly():
    z = jnp.asarray(_codes(d=3))
    _, _, dimension = jax.jit(jax.vmap(
        lambda rng: losses.latent_shift(z, rng, weights=jnp.zeros(3))))(
            jax.random.split(jax.random.key(1), 300))
    assert stats.chisquare(np.bincount(dimension)).pvalue > 1e-3


def test_margin_zero_is_the_published_rule():
    z = jnp.asarray(_codes(n=500, d=1))
    _, valid, _ = losses.latent_shift(z, jax.random.key(0), margin=0.0)
    p = stats.norm.cdf(stats.zscore(np.asarray(z[:, 0], float), ddof=1))
    published = [(p + 1 / 8 < 1), (p - 1 / 8 > 0)]
    assert any(np.array_equal(valid, rule) for rule in published)


def test_margin_bounds_the_derivative():
    z = jnp.asarray(_codes(n=2000, d=1))

    def moved(z):
        return jnp.sum(losses.latent_shift(
            z, jax.random.key(0), margin=1e-3)[0])

    assert np.abs(jax.jit(jax.grad(moved))(z)).max() < 300


def test_constant_latent_stays_with_finite_gradient():
    z = jnp.ones((8, 1))

    def moved(z):
        shifted, valid, _ = losses.latent_shift(z, jax.random.key(0))
        return jnp.sum(shifted), (shifted, valid)

    grad, (shifted, valid) = jax.jit(jax.grad(moved, has_aux=True))(z)
    np.testing.assert_array_equal(shifted, z)
    assert np.all(valid) and np.all(np.isfinite(grad))


@pytest.mark.parametrize('n', [0, 1, 2])
def test_small_batches_are_finite(n):
    z = jnp.asarray(_codes(n=n))
    grad = jax.jit(jax.grad(lambda z: jnp.sum(
        losses.latent_shift(z, jax.random.key(0))[0])))(z)
    assert np.all(np.isfinite(grad))


def test_gradient_equals_finite_differences():
    z, rng = jnp.asarray(_codes(n=12, d=2)), jax.random.key(3)
    _, valid, _ = losses.latent_shift(z, rng)
    weight = jnp.asarray(_codes(n=12, d=2, seed=1)) * valid[:, None]
    direction = jnp.asarray(_codes(n=12, d=2, seed=2))

    @jax.jit
    def loss(z):
        return jnp.sum(weight * losses.latent_shift(z, rng)[0])

    step = 1e-2
    numeric = (loss(z + step * direction) - loss(z - step * direction)) / (
        2 * step)
    np.testing.assert_allclose(jnp.vdot(jax.grad(loss)(z), direction),
                               numeric, rtol=1e-2)


def test_spread_over_devices_equals_one_device():
    z, rng = jnp.asarray(_codes(n=16)), jax.random.key(5)
    one = losses.latent_shift(z, rng)
    shifted, valid, dimension = jax.pmap(
        lambda z: losses.latent_shift(z, rng, axis_name='d'),
        axis_name='d')(z.reshape(4, 4, 5))
    np.testing.assert_allclose(shifted.reshape(16, 5), one[0], rtol=1e-4,
                               atol=1e-5)
    np.testing.assert_array_equal(valid.reshape(16), one[1])
    np.testing.assert_array_equal(dimension, [one[2]] * 4)


def test_traced_negative_weights_are_never_drawn():
    z, weights = jnp.asarray(_codes(d=3)), jnp.asarray([-1.0, 2.0, -3.0])
    _, _, dimension = jax.jit(jax.vmap(
        lambda rng, weights: losses.latent_shift(z, rng, weights=weights),
        in_axes=(0, None)))(jax.random.split(jax.random.key(1), 200), weights)
    np.testing.assert_array_equal(dimension, 1)


@pytest.mark.parametrize('bad', [-1.0, np.nan, np.inf])
def test_weights_that_are_known_and_wrong(bad):
    z, weights = jnp.asarray(_codes(d=3)), jnp.asarray([1.0, bad, 1.0])
    with pytest.raises(ValueError, match=f'weights.* {bad} for latent 1'):
        losses.latent_shift(z, jax.random.key(0), weights=weights)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_traced_weights_that_are_not_finite_give_nan(bad):
    z, weights = jnp.asarray(_codes(d=3)), jnp.asarray([1.0, bad, 1.0])
    shifted, _, _ = jax.jit(lambda weights: losses.latent_shift(
        z, jax.random.key(0), weights=weights))(weights)
    assert np.all(np.isnan(shifted))


@pytest.mark.parametrize('option,right,wrong', [
    ('shift', 0.2, (0.0, 1.0, -0.1, np.nan)),
    ('margin', 0.1, (-1e-3, 0.5, np.nan))])
def test_traced_options(option, right, wrong):
    z, rng = jnp.asarray(_codes()), jax.random.key(0)

    @jax.jit
    def shifted(value):
        return losses.latent_shift(z, rng, **{option: value})[0]

    np.testing.assert_allclose(
        shifted(right), losses.latent_shift(z, rng, **{option: right})[0],
        rtol=1e-5, atol=1e-5)
    for value in wrong:
        assert np.all(np.isnan(shifted(value)))
        with pytest.raises(ValueError, match=f'{option} must lie in'):
            losses.latent_shift(z, rng, **{option: value})


@pytest.mark.parametrize('size', [1e-44, 1e-30, 1e-20, 1e15, 1e25, 1e37])
def test_codes_of_any_size_are_finite(size):
    unit = jnp.asarray(_codes(n=20, d=2))
    z, rng = jnp.float32(size) * unit, jax.random.key(0)
    (_, (shifted, valid)), grad = jax.value_and_grad(
        lambda z: (jnp.mean(losses.latent_shift(z, rng)[0]),
                   losses.latent_shift(z, rng)[:2]), has_aux=True)(z)
    assert np.all(np.isfinite(shifted)) and np.all(np.isfinite(grad))
    if 1e-35 < size < 1e35:
        expected, same, _ = losses.latent_shift(unit, rng)
        np.testing.assert_array_equal(valid, same)
        np.testing.assert_allclose(shifted / size, expected, rtol=1e-4,
                                   atol=1e-4)


def test_messages():
    rng = jax.random.key(0)
    with pytest.raises(ValueError, match=r'^z must be codes .*\(3,\)'):
        losses.latent_shift(jnp.zeros(3), rng)
    with pytest.raises(ValueError, match=r'weights .*\(2,\)'):
        losses.latent_shift(jnp.zeros((4, 2)), rng, weights=jnp.ones(3))
    with pytest.raises(ValueError, match='shift'):
        losses.latent_shift(jnp.zeros((4, 2)), rng, shift=0)
    with pytest.raises(ValueError, match=r'shift must be a scalar.*\(2,\)'):
        losses.latent_shift(jnp.zeros((4, 2)), rng, shift=np.ones(2))
    with pytest.raises(TypeError, match='z must be floating.*int32'):
        losses.latent_shift(jnp.zeros((4, 2), jnp.int32), rng)
    with pytest.raises(ValueError, match='margin'):
        losses.latent_shift(jnp.zeros((4, 2)), rng, margin=0.5)


KEYED = {
    'latent_shift': lambda rng: losses.latent_shift(jnp.ones((4, 2)), rng),
    'sample_gaussian': lambda rng: losses.sample_gaussian(
        rng, jnp.ones((4, 2)), jnp.ones((4, 2))),
    'permute_coordinates': lambda rng: losses.permute_coordinates(
        rng, jnp.ones((4, 2))),
    'resample_coordinates': lambda rng: losses.resample_coordinates(
        rng, jnp.ones((4, 2))),
    'image_discriminator_loss': lambda rng: losses.image_discriminator_loss(
        rng, jnp.ones(4), jnp.ones(4)),
    'topdis_loss': lambda rng: losses.topdis_loss(
        lambda z: z, jnp.ones((4, 2)), rng),
}


@pytest.mark.parametrize('name', KEYED)
def test_what_is_no_key(name):
    call = KEYED[name]
    for rng, received in ((0, '0'), (None, 'None'), (jnp.zeros(2), 'float32'),
                          (np.random.default_rng(0), 'Generator'),
                          (jax.random.split(jax.random.key(0)), 'jax.vmap')):
        with pytest.raises(TypeError, match=f'jax.random.key.*{received}'):
            call(rng)
    for rng in (jax.random.key(0), jax.random.key(0, impl='rbg'),
                jax.random.PRNGKey(0), np.asarray(jax.random.PRNGKey(0))):
        call(rng)
    jax.jit(call)(jax.random.key(0))
    jax.eval_shape(jax.vmap(call), jax.random.split(jax.random.key(0)))
