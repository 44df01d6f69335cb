"""Each family's loss against its published formula in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from topdis_jax import losses


def _inputs(b=6, d=3, seed=0):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(b, 4, 4, 1)), rng.random((b, 4, 4, 1)),
              rng.normal(size=(b, d)), rng.normal(size=(b, d)) - 1]
    return [x.astype(np.float32) for x in arrays]


def _elbo(logits, images, mean, log_var):
    """Reconstruction and KL in float64."""
    logits, images, mean, log_var = (
        x.astype(float) for x in (logits, images, mean, log_var))
    p = special.expit(logits)
    nll = -(images * np.log(p) + (1 - images) * np.log(1 - p))
    kl = (np.exp(log_var) + mean ** 2 - 1 - log_var) / 2
    return nll.sum((1, 2, 3)).mean(), kl.sum(1).mean()


def _density(b=6):
    return np.random.default_rng(5).normal(size=(b, 2)).astype(np.float32)


def _z(inputs):
    noise = np.random.default_rng(6).normal(size=inputs[2].shape)
    return (inputs[2] + np.exp(inputs[3] / 2) * noise).astype(np.float32)


def test_vae_and_beta_vae():
    inputs = _inputs()
    nll, kl = _elbo(*inputs)
    np.testing.assert_allclose(losses.vae(*inputs)[0], nll + kl, rtol=1e-5)
    np.testing.assert_allclose(losses.beta_vae(*inputs, beta=4.0)[0],
                               nll + 4 * kl, rtol=1e-5)


def test_factor_vae():
    inputs, density = _inputs(), _density()
    nll, kl = _elbo(*inputs)
    tc = np.mean(density[:, 0].astype(float) - density[:, 1])
    loss, terms = losses.factor_vae(*inputs, density, gamma=5.0)
    np.testing.assert_allclose(loss, nll + kl + 5 * tc, rtol=1e-5)
    np.testing.assert_allclose(terms['total_correlation'], tc, rtol=1e-5)


def test_beta_tcvae():
    inputs = _inputs()
    z = _z(inputs)
    nll, _ = _elbo(*inputs)
    mean, std = inputs[2].astype(float), np.exp(inputs[3].astype(float) / 2)
    pairs = stats.norm.logpdf(z[:, None], mean[None], std[None])
    log_nm = np.log(6 * 500)
    joint = special.logsumexp(pairs.sum(2), axis=1) - log_nm
    product = (special.logsumexp(pairs, axis=1) - log_nm).sum(1)
    posterior = np.einsum('iid->i', pairs)
    prior = stats.norm.logpdf(z).sum(1)
    want = nll + np.mean((posterior - joint) + 6 * (joint - product)
                         + (product - prior))
    loss, terms = losses.beta_tcvae(*inputs, z, beta=6.0, dataset_size=500)
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    np.testing.assert_allclose(terms['mutual_information'],
                               np.mean(posterior - joint), rtol=1e-4)


def test_control_vae():
    inputs = _inputs()
    nll, kl = _elbo(*inputs)
    state = losses.PIState(jnp.asarray(0.5), jnp.asarray(1.5))
    loss, terms, after = losses.control_vae(*inputs, state, 10_000)
    error = 0.5 + 2 * 0.15 - kl
    integral = 0.5 - 0.001 * error
    weight = 0.01 / (1 + np.exp(error)) + 1 + integral
    np.testing.assert_allclose(loss, nll + weight * kl, rtol=1e-5)
    np.testing.assert_allclose(after, [integral, weight], rtol=1e-5)
    np.testing.assert_allclose(terms['set_point'], 0.8, rtol=1e-6)


def test_dava():
    inputs = _inputs()
    nll, kl = _elbo(*inputs)
    for degree, penalty in ((0, abs(kl / 3 - 0.7)), (2, (kl / 3 - 0.7) ** 2),
                            (4, (kl / 3 - 0.7) ** 4)):
        loss, terms = losses.dava(*inputs, capacity=0.7, gamma=20.0,
                                  degree=degree)
        np.testing.assert_allclose(loss, nll + 20 * penalty, rtol=1e-5)
    np.testing.assert_allclose(terms['kl'], kl, rtol=1e-5)
    with pytest.raises(ValueError, match='even.*3'):
        losses.dava(*inputs, capacity=0.7, degree=3)


def test_dava_over_devices_equals_one_device():
    inputs = _inputs(b=8)

    def loss(inputs, axis_name=None):
        return losses.dava(*inputs, capacity=0.3, gamma=20.0,
                           axis_name=axis_name)[0]

    value, grads = jax.jit(jax.value_and_grad(loss))(inputs)
    each, parts = jax.pmap(
        jax.value_and_grad(lambda x: loss(x, 'd')), axis_name='d')(
            [x.reshape(4, 2, *x.shape[1:]) for x in inputs])
    np.testing.assert_allclose(np.mean(each), value, rtol=1e-5)
    for part, grad in zip(parts, grads):
        # The mean over devices of what each has of its own rows.
        np.testing.assert_allclose(part.reshape(grad.shape) / 4, grad,
                                   rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('degree', [0, 2, 4, 20])
def test_dava_of_extreme_variances_is_finite(degree):
    logits = images = jnp.zeros((4, 6))
    log_var = jnp.full((4, 2), 100.0)
    loss, grad = jax.value_and_grad(lambda mean: losses.dava(
        logits, images, mean, log_var, capacity=1.0, degree=degree)[0])(
            jnp.zeros((4, 2)))
    assert np.isfinite(loss) and np.all(np.isfinite(grad))


@pytest.mark.parametrize('degree', [-2, 2.0, 3])
def test_dava_checks_the_degree(degree):
    args = jnp.zeros((4, 6)), jnp.zeros((4, 6)), jnp.zeros((4, 2))
    with pytest.raises(ValueError, match='degree must be'):
        losses.dava(*args, args[2], capacity=1.0, degree=degree)


def test_reductions_to_the_vae():
    inputs = _inputs()
    loss, terms = losses.vae(*inputs)
    assert losses.beta_vae(*inputs, beta=1.0)[0] == loss
    assert losses.factor_vae(*inputs, _density(), gamma=0.0)[0] == loss
    start = losses.control_vae(*inputs, losses.pi_init(), 0, proportional=0.0,
                               integral=0.0)
    assert start[0] == loss
    # The parts sum to the sampled log ratio, whose mean is the KL.
    z = _z(inputs)
    ratio = np.mean(np.sum(stats.norm.logpdf(
        z, inputs[2], np.exp(inputs[3] / 2)) - stats.norm.logpdf(z), axis=1))
    tcvae = losses.beta_tcvae(*inputs, z, beta=1.0, dataset_size=77)[0]
    np.testing.assert_allclose(tcvae, terms['reconstruction'] + ratio,
                               rtol=1e-5)


FAMILIES = {
    'vae': losses.vae,
    'beta_vae': lambda *a: losses.beta_vae(*a, beta=3.0),
    'factor_vae': lambda logits, images, mean, log_var: losses.factor_vae(
        logits, images, mean, log_var, jnp.tanh(mean[:, :2]), gamma=2.0),
    'beta_tcvae': lambda logits, images, mean, log_var: losses.beta_tcvae(
        logits, images, mean, log_var,
        mean + jnp.exp(log_var / 2) * jnp.sin(jnp.arange(18.0)).reshape(6, 3),
        beta=3.0, dataset_size=100),
    'dava': lambda *a: losses.dava(*a, capacity=0.5, gamma=2.0),
    'control_vae': lambda *a: losses.control_vae(
        *a, losses.PIState(jnp.asarray(1.0), jnp.asarray(2.0)), 0,
        proportional=0.0, integral=0.0)[:2],
}


@pytest.mark.parametrize('family', FAMILIES)
def test_gradient_equals_finite_differences(family):
    inputs = [jnp.asarray(x) for x in _inputs()]
    directions = [jnp.asarray(x) for x in _inputs(seed=1)]
    directions[1] = jnp.zeros_like(directions[1])  # images are data

    @jax.jit
    def loss(inputs):
        return FAMILIES[family](*inputs)[0]

    def moved(step):
        return loss([a + step * d for a, d in zip(inputs, directions)])

    numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2
    exact = sum(jnp.vdot(g, d)
                for g, d in zip(jax.grad(loss)(inputs), directions))
    np.testing.assert_allclose(exact, numeric, rtol=5e-3)
