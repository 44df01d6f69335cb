"""The KL's decomposition: float64 formulas, a closed form, devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from topdis_jax import losses


_decomposed = jax.jit(losses.decompose_kl,
                      static_argnames=('dataset_size', 'estimator'))


def _posterior(b=12, d=3, seed=0):
    rng = np.random.default_rng(seed)
    mean, log_var, noise = rng.normal(size=(3, b, d))
    log_var -= 1
    z = mean + np.exp(log_var / 2) * noise
    return [np.asarray(x, np.float32) for x in (z, mean, log_var)]


def _expected(z, mean, log_var, weights):
    """The three parts in float64; weights [b, b]."""
    z, mean, log_var = (x.astype(float) for x in (z, mean, log_var))
    pairs = stats.norm.logpdf(z[:, None], mean[None],
                              np.exp(log_var / 2)[None])
    log = np.log(weights)
    joint = special.logsumexp(pairs.sum(2) + log, axis=1)
    product = special.logsumexp(pairs + log[:, :, None], axis=1).sum(1)
    posterior = np.einsum('iid->i', pairs)
    prior = stats.norm.logpdf(z).sum(1)
    return [np.mean(x) for x in (posterior - joint, joint - product,
                                 product - prior)]


def test_weighted_sampling_equals_its_formula():
    args = _posterior()
    parts = _decomposed(*args, dataset_size=1000)
    np.testing.assert_allclose(
        parts, _expected(*args, np.full((12, 12), 1 / (12 * 1000))),
        rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('dataset_size', [12, 1000])
def test_stratified_sampling_equals_its_formula(dataset_size):
    args = _posterior()
    weights = np.full((12, 12), 1 / 11)
    for i in range(12):
        weights[i, i] = 1 / dataset_size
        weights[i, (i + 1) % 12] = (dataset_size - 11) / (dataset_size * 11)
    np.testing.assert_allclose(weights.sum(1), 1)
    parts = _decomposed(*args, dataset_size=dataset_size,
                        estimator='stratified')
    np.testing.assert_allclose(parts, _expected(*args, weights), rtol=1e-4,
                               atol=1e-4)


def test_a_batch_of_the_whole_data_set_is_its_mean():
    args = _posterior()
    weighted = _decomposed(*args, dataset_size=1)
    np.testing.assert_allclose(
        weighted, _expected(*args, np.full((12, 12), 1 / 12)), rtol=1e-4,
        atol=1e-4)


def test_parts_sum_to_the_log_ratio():
    z, mean, log_var = _posterior()
    ratio = np.mean(np.sum(
        stats.norm.logpdf(z, mean, np.exp(log_var / 2))
        - stats.norm.logpdf(z), axis=1))
    for estimator in ('weighted', 'stratified'):
        parts = _decomposed(z, mean, log_var, dataset_size=50,
                            estimator=estimator)
        np.testing.assert_allclose(sum(parts), ratio, rtol=1e-4)


@pytest.mark.parametrize('correlation', [0.0, 0.8])
def test_tends_to_the_closed_form_as_the_batch_grows(correlation):
    # Means N(0, S), S with correlation r, posteriors N(mean, s^2): q(z) is
    # N(0, S + s^2), whose total correlation has a closed form.
    s2 = 0.25
    covariance = np.array([[1, correlation], [correlation, 1]])
    total = covariance + s2 * np.eye(2)
    exact = -0.5 * np.log(np.linalg.det(total) / np.prod(np.diag(total)))

    def estimate(batch, seed):
        rng = np.random.default_rng(seed)
        mean = rng.multivariate_normal(np.zeros(2), covariance, size=batch)
        z = mean + np.sqrt(s2) * rng.normal(size=mean.shape)
        args = [jnp.asarray(x, jnp.float32)
                for x in (z, mean, np.full_like(z, np.log(s2)))]
        # The aggregate posterior of the batch itself.
        return decompose(*args).total_correlation

    decompose = jax.jit(functools.partial(losses.decompose_kl, dataset_size=1))

    errors = [np.sqrt(np.mean([(estimate(batch, seed) - exact) ** 2
                               for seed in range(8)]))
              for batch in (16, 128, 1024)]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 0.05


@pytest.mark.parametrize('estimator', ['weighted', 'stratified'])
def test_gradient_equals_finite_differences(estimator):
    args = [jnp.asarray(x) for x in _posterior()]
    directions = [jnp.asarray(x) for x in _posterior(seed=1)]

    @jax.jit
    def loss(args):
        parts = losses.decompose_kl(*args, dataset_size=100,
                                    estimator=estimator)
        return parts[0] + 2 * parts[1] + 3 * parts[2]

    def moved(step):
        return loss([a + step * d for a, d in zip(args, directions)])

    numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2
    exact = sum(jnp.vdot(g, d) for g, d in zip(jax.grad(loss)(args),
                                               directions))
    np.testing.assert_allclose(exact, numeric, rtol=1e-2)


@pytest.mark.parametrize('estimator', ['weighted', 'stratified'])
def test_spread_over_devices_equals_one_device(estimator):
    args = [jnp.asarray(x) for x in _posterior()]

    def loss(args, axis_name):
        parts = losses.decompose_kl(*args, dataset_size=100,
                                    estimator=estimator, axis_name=axis_name)
        return parts[0] + 2 * parts[1] + 3 * parts[2]

    one, grad = jax.jit(jax.value_and_grad(loss))(args, None)
    many, grads = jax.pmap(jax.value_and_grad(lambda a: loss(a, 'd')),
                           axis_name='d')([a.reshape(4, 3, 3) for a in args])
    np.testing.assert_allclose(np.mean(many), one, rtol=1e-5)
    for each, want in zip(grads, grad):
        # The mean over four devices of losses: a quarter of each.
        np.testing.assert_allclose(each.reshape(12, 3) / 4, want, rtol=1e-3,
                                   atol=1e-5)


@pytest.mark.parametrize('value', [-1e3, 1e3])
def test_extreme_variances_are_finite(value):
    z, mean, log_var = (jnp.asarray(x) for x in _posterior())
    loss, grads = jax.jit(jax.value_and_grad(lambda args: sum(
        losses.decompose_kl(*args, dataset_size=100))))(
            (z, mean, jnp.full_like(log_var, value)))
    assert np.isfinite(loss)
    assert all(np.all(np.isfinite(g)) for g in grads)


def test_discriminator():
    logits = np.random.default_rng(0).normal(size=(2, 6, 2))
    real, permuted = logits.astype(np.float32)
    p = special.softmax(logits, axis=2)
    np.testing.assert_allclose(
        losses.discriminator_loss(real, permuted),
        -(np.log(p[0, :, 0]).mean() + np.log(p[1, :, 1]).mean()) / 2,
        rtol=1e-5)
    np.testing.assert_allclose(
        losses.density_ratio_tc(real),
        np.mean(np.log(p[0, :, 0] / p[0, :, 1])), rtol=1e-4)


def test_permutation_keeps_each_latent_and_breaks_rows():
    z = jnp.arange(60.0).reshape(20, 3)
    permuted = losses.permute_coordinates(jax.random.key(0), z)
    np.testing.assert_array_equal(np.sort(permuted, axis=0), z)
    rows = np.asarray(permuted) // 3
    assert np.mean(rows[:, 0] == rows[:, 1]) < 0.3


def test_permutation_over_devices_is_that_of_one():
    z, rng = jnp.arange(60.0).reshape(20, 3), jax.random.key(0)
    many = jax.pmap(
        lambda z: losses.permute_coordinates(rng, z, axis_name='d'),
        axis_name='d')(z.reshape(4, 5, 3))
    np.testing.assert_array_equal(
        many.reshape(20, 3), losses.permute_coordinates(rng, z))


@pytest.mark.parametrize('estimator', ['weighted', 'stratified'])
@pytest.mark.parametrize('codes,means,log_var', [
    (1e25, 1.0, 0.0), (3e38, -3e38, 0.0), (1e20, 0.0, 300.0),
    (1.0, 0.0, -3e38), (1.0, 0.0, 3e38)])
def test_extreme_codes_are_finite(codes, means, log_var, estimator):
    args = [np.full((5, 2), value, np.float32)
            for value in (codes, means, log_var)]

    def loss(*args):
        parts = losses.decompose_kl(*args, dataset_size=50,
                                    estimator=estimator)
        return sum(parts)

    value, grads = jax.jit(jax.value_and_grad(
        loss, argnums=(0, 1, 2)))(*args)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(grad)) for grad in grads)


@pytest.mark.parametrize('bad', [0, -3, 2.5, True])
def test_data_set_size_is_checked(bad):
    z = jnp.ones((4, 2))
    with pytest.raises(ValueError, match='dataset_size must be a whole'):
        losses.decompose_kl(z, z, z, dataset_size=bad)


def test_messages():
    with pytest.raises(ValueError, match=r'logits must have.*\(4, 3\)'):
        losses.density_ratio_tc(jnp.ones((4, 3)))
    z = jnp.zeros((1, 2))
    with pytest.raises(ValueError, match='estimator'):
        losses.decompose_kl(z, z, z, dataset_size=5, estimator='exact')
    with pytest.raises(ValueError, match='two images'):
        losses.decompose_kl(z, z, z, dataset_size=5, estimator='stratified')
