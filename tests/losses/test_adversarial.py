"""DAVA's terms against plain NumPy, and their laws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from topdis_jax import losses
from topdis_jax.losses.adversarial import RESAMPLINGS


def _z(n=512, d=2):
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(n, 1))
    return jnp.asarray(3 + shared + 0.1 * rng.normal(size=(n, d)),
                       jnp.float32)


@pytest.mark.parametrize('how', RESAMPLINGS)
def test_resampled_coordinates_are_independent(how):
    z = _z()
    drawn = losses.resample_coordinates(jax.random.key(0), z, how=how)
    assert abs(np.corrcoef(z.T)[0, 1]) > 0.9
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.15
    if how == 'permutation':
        np.testing.assert_array_equal(np.sort(drawn, 0), np.sort(z, 0))
    elif how == 'replacement':
        assert all(np.isin(drawn[:, j], z[:, j]).all() for j in range(2))
        assert len(np.unique(drawn[:, 0])) < 400
    elif how == 'uniform':
        assert (drawn.min(0) >= z.min(0)).all()
        assert (drawn.max(0) <= z.max(0)).all()
        np.testing.assert_allclose(drawn.mean(0), (z.min(0) + z.max(0)) / 2,
                                   atol=0.3)
    else:
        np.testing.assert_allclose([drawn.mean(), drawn.std()], [0, 1],
                                   atol=0.1)


@pytest.mark.parametrize('how', RESAMPLINGS)
def test_spread_over_devices_equals_one_device(how):
    z = _z(8)

    def draw(z, axis_name):
        return losses.resample_coordinates(jax.random.key(1), z, how=how,
                                           axis_name=axis_name)

    one = draw(z, None)
    many = jax.pmap(lambda z: draw(z, 'd'), axis_name='d')(z.reshape(4, 2, 2))
    np.testing.assert_allclose(many.reshape(8, 2), one, rtol=1e-6)


def test_uniform_codes_between_extremes_are_finite():
    z = jnp.asarray([[-3e38], [3e38], [0.0]])
    drawn = losses.resample_coordinates(jax.random.key(0), z, how='uniform')
    assert np.all(np.isfinite(drawn))


def test_constant_to_autodiff_and_messages():
    grad = jax.grad(lambda z: jnp.sum(losses.resample_coordinates(
        jax.random.key(0), z)))(_z(8))
    np.testing.assert_array_equal(grad, 0)
    with pytest.raises(ValueError, match='replacement.*bootstrap'):
        losses.resample_coordinates(jax.random.key(0), _z(8), how='bootstrap')


def test_cross_entropy_equals_its_formula():
    logits = np.array([-2.0, 0.5, 3.0], np.float32)
    labels = np.array([0.3, 0.0, 1.0], np.float32)
    p = special.expit(logits.astype(float))
    want = -np.sum(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    np.testing.assert_allclose(
        losses.binary_cross_entropy(jnp.asarray(logits), labels), want,
        rtol=1e-6)
    assert np.isfinite(losses.binary_cross_entropy(
        jnp.asarray([1e30, -1e30]), jnp.asarray([0.0, 1.0])))


def test_logits_of_other_shapes_are_refused():
    key, logits = jax.random.key(0), jnp.arange(4.0)
    for wrong in (logits[:, None], logits[0]):
        with pytest.raises(ValueError, match=r'must be \[b\]; received'):
            losses.binary_cross_entropy(wrong, 1.0)
        for function in (functools.partial(losses.image_discriminator_loss,
                                           key), losses.image_accuracy):
            with pytest.raises(ValueError, match='logits_resampled must be'):
                function(wrong, logits)
    with pytest.raises(ValueError, match='labels must be'):
        losses.binary_cross_entropy(logits, logits[:, None])
    with pytest.raises(ValueError, match='smoothing must lie'):
        losses.image_discriminator_loss(key, logits, logits, smoothing=5)
    with pytest.raises(ValueError, match='confidence must lie'):
        losses.image_accuracy(logits, logits, confidence=7)


def test_discriminator_loss_without_and_with_smoothing():
    logits, resampled = jnp.asarray([0.5, 2.0]), jnp.asarray([-1.0, 0.3])
    p, q = (special.expit(np.asarray(x, float)) for x in (logits, resampled))
    hard = -np.sum(np.log(p)) - np.sum(np.log(1 - q))

    def loss(smoothing, seed=0):
        return losses.image_discriminator_loss(
            jax.random.key(seed), logits, resampled, smoothing=smoothing)

    np.testing.assert_allclose(loss(0.0), hard, rtol=1e-6)
    # The mean over draws has all labels moved by half of the smoothing.
    moved = (-np.sum(0.7 * np.log(p) + 0.3 * np.log(1 - p))
             - np.sum(0.3 * np.log(q) + 0.7 * np.log(1 - q)))
    mean = np.mean([loss(0.6, seed) for seed in range(300)])
    np.testing.assert_allclose(mean, moved, atol=0.06)


def test_smoothed_labels_are_those_of_the_whole_batch():
    rng, logits = jax.random.key(0), jnp.arange(16.0).reshape(2, 8) - 8
    one = losses.image_discriminator_loss(rng, *logits)
    many = jax.pmap(lambda pair: losses.image_discriminator_loss(
        rng, *pair, axis_name='d'), axis_name='d')(
            logits.reshape(2, 4, 2).swapaxes(0, 1))
    np.testing.assert_allclose(many.sum(), one, rtol=1e-6)


def test_accuracy_and_weights():
    # Undecided: all are taken for resampled ones, half of them rightly.
    assert losses.image_accuracy(jnp.zeros(4), jnp.zeros(4)) == 0.5
    assert losses.image_accuracy(jnp.ones(4) * 9, -jnp.ones(4)) == 1
    assert losses.adversarial_weights(jnp.asarray(0.4)) == (0, 0)
    encoder, decoder = losses.adversarial_weights(jnp.asarray(0.505))
    np.testing.assert_allclose([encoder, decoder], [0.15, 0.0005], rtol=1e-4)
    assert losses.adversarial_weights(jnp.asarray(1.0))[1] == np.float32(1e-3)
