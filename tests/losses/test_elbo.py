"""ELBO terms against SciPy, by sampling, and at their singular points."""

from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from topdis_jax import losses


def _normal(shape, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=shape)).astype(np.float32)


class VariantsTest(chex.TestCase, parameterized.TestCase):

    @chex.all_variants()
    def test_bernoulli_equals_scipy(self):
        logits = _normal((4, 5, 5, 1), scale=3)
        images = np.random.default_rng(1).random((4, 5, 5, 1)).astype('f4')
        got = self.variant(losses.bernoulli_nll)(logits, images)
        p = special.expit(logits.astype(float))
        want = -(images * np.log(p) + (1 - images) * np.log1p(-p))
        np.testing.assert_allclose(
            got, want.reshape(4, -1).sum(1), rtol=1e-4)

    @chex.all_variants(with_pmap=False)
    def test_kl_equals_quadrature(self):
        mean, log_var = _normal((3, 2)), _normal((3, 2), seed=1)
        got = self.variant(losses.gaussian_kl)(mean, log_var)
        for i, j in np.ndindex(3, 2):
            q = stats.norm(mean[i, j], np.exp(log_var[i, j] / 2))
            want = q.expect(lambda x: q.logpdf(x) - stats.norm.logpdf(x))
            np.testing.assert_allclose(got[i, j], want, rtol=1e-4, atol=1e-5)

    @chex.all_variants(with_pmap=False)
    def test_objectives(self):
        logits, images = _normal((4, 6)), np.full((4, 6), 0.5, np.float32)
        mean, log_var = _normal((4, 2)), _normal((4, 2), seed=1)
        args = logits, images, mean, log_var
        loss, terms = self.variant(losses.vae)(*args)
        np.testing.assert_allclose(
            loss, terms['reconstruction'] + terms['kl'], rtol=1e-6)
        heavy, same = self.variant(
            lambda *a: losses.beta_vae(*a, beta=4.0))(*args)
        np.testing.assert_allclose(
            heavy, same['reconstruction'] + 4 * same['kl'], rtol=1e-6)


def test_beta_one_is_the_vae():
    args = (_normal((4, 6)), np.full((4, 6), 0.5, np.float32),
            _normal((4, 2)), _normal((4, 2), seed=1))
    assert losses.beta_vae(*args, beta=1.0)[0] == losses.vae(*args)[0]


@pytest.mark.parametrize('value', [-1e4, -50.0, 0.0, 50.0, 1e4])
def test_extreme_logits_are_finite(value):
    logits = jnp.full((1, 3), value)
    for image in (0.0, 0.5, 1.0):
        loss, grad = jax.value_and_grad(
            lambda x: losses.bernoulli_nll(x, jnp.full_like(x, image))[0]
        )(logits)
        assert np.isfinite(loss) and np.all(np.isfinite(grad))


@pytest.mark.parametrize('value', [-1e4, 0.0, 100.0, 1e4])
def test_extreme_log_variances_are_finite(value):
    mean, log_var = jnp.zeros((3, 2)), jnp.full((3, 2), value)
    rng = jax.random.key(0)
    for function in (losses.gaussian_kl,
                     lambda m, v: losses.sample_gaussian(rng, m, v)):
        loss, grads = jax.value_and_grad(
            lambda m, v: jnp.sum(function(m, v)), argnums=(0, 1))(
                mean, log_var)
        assert np.isfinite(loss)
        assert all(np.all(np.isfinite(grad)) for grad in grads)


@pytest.mark.parametrize('value', [1e15, 1e20, 3e38])
def test_extreme_means_are_finite(value):
    mean, log_var = jnp.full((3, 2), value), jnp.zeros((3, 2))
    # At weight 0 an infinite KL would be NaN.
    loss, grad = jax.value_and_grad(lambda m: losses.beta_vae(
        jnp.zeros((3, 4)), jnp.zeros((3, 4)), m, log_var, beta=0.0)[0])(mean)
    assert np.isfinite(loss) and np.all(np.isfinite(grad))


def test_an_empty_batch_has_no_rows():
    assert losses.bernoulli_nll(jnp.ones((0, 4)), jnp.ones((0, 4))).size == 0


def test_sample_has_its_moments():
    mean, log_var = jnp.full((20_000, 1), 2.0), jnp.full((20_000, 1), -1.0)
    z = losses.sample_gaussian(jax.random.key(0), mean, log_var)
    assert abs(np.mean(z) - 2) < 4 * np.exp(-0.5) / np.sqrt(20_000)
    np.testing.assert_allclose(np.std(z), np.exp(-0.5), rtol=0.03)


def test_sample_does_not_depend_on_the_number_of_devices():
    mean, log_var = _normal((8, 3)), _normal((8, 3), seed=1)
    rng = jax.random.key(0)
    one = losses.sample_gaussian(rng, mean, log_var)
    many = jax.pmap(
        lambda m, v: losses.sample_gaussian(rng, m, v, axis_name='d'),
        axis_name='d')(mean.reshape(4, 2, 3), log_var.reshape(4, 2, 3))
    np.testing.assert_allclose(many.reshape(8, 3), one, rtol=1e-6)


def test_messages():
    with pytest.raises(ValueError, match=r'\(2, 3\) and \(2, 4\)'):
        losses.gaussian_kl(jnp.zeros((2, 3)), jnp.zeros((2, 4)))
    with pytest.raises(ValueError, match='logits and images'):
        losses.bernoulli_nll(jnp.zeros((2, 3)), jnp.zeros((2, 4)))
    with pytest.raises(TypeError, match='uint8.*255'):
        losses.bernoulli_nll(jnp.zeros((2, 3)), jnp.zeros((2, 3), jnp.uint8))
