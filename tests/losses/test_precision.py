"""Losses of short floating types, and under strict type promotion."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses, topology

KEY = jax.random.key(3)
SHORT = (jnp.bfloat16, jnp.float16)


def _normal(shape, seed, dtype):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=shape), jnp.bfloat16).astype(dtype)


def _batch(dtype, b=16, d=4):
    """Arguments of the objectives; bfloat16's values in any type."""
    images = jax.nn.sigmoid(_normal((b, 8, 8, 1), 1, jnp.bfloat16))
    return (_normal((b, 8, 8, 1), 0, dtype), images.astype(dtype),
            _normal((b, d), 2, dtype), _normal((b, d), 3, dtype))


def _objective(name, **options):
    def call(dtype):
        logits, images, mean, log_var = _batch(dtype)
        more = {'factor_vae': (_normal((16, 2), 4, dtype),),
                'beta_tcvae': (_normal((16, 4), 5, dtype),),
                'control_vae': (losses.pi_init(), 10_000)}.get(name, ())
        result = getattr(losses, name)(logits, images, mean, log_var, *more,
                                       **options)
        return result[:2]
    return call


def _shift(dtype):
    return losses.latent_shift(_normal((16, 4), 0, dtype), KEY)[0]


def _tcs(estimator):
    def call(dtype):
        return losses.decompose_kl(
            *(_normal((16, 4), seed, dtype) for seed in range(3)),
            dataset_size=1000, estimator=estimator)
    return call


def _topdis(dtype):
    return losses.topdis_loss(
        lambda z: jax.nn.sigmoid(z @ _normal((4, 9), 1, z.dtype)),
        _normal((24, 4), 0, dtype), KEY)[0]


def _rtd(dtype):
    clouds = (_normal((12, 3), seed, dtype) for seed in range(2))
    return topology.rtd(*map(topology.pairwise_distances, clouds),
                        quantile=0.9)


def _project(dtype):
    g, r = ({'a': _normal((50,), seed, dtype)} for seed in (0, 1))
    return losses.project_conflict(g, jax.tree.map(jnp.negative, r))[1:]


FLOAT32 = {  # these give float32 whatever they are given
    'bernoulli_nll': lambda t: losses.bernoulli_nll(*_batch(t)[:2]),
    'gaussian_kl': lambda t: losses.gaussian_kl(*_batch(t)[2:]),
    'vae': _objective('vae'),
    'beta_vae': _objective('beta_vae', beta=4.0),
    'factor_vae': _objective('factor_vae', gamma=5.0),
    'beta_tcvae': _objective('beta_tcvae', beta=6.0, dataset_size=1000),
    'control_vae': _objective('control_vae'),
    'dava': _objective('dava', capacity=0.1),
    'weighted': _tcs('weighted'),
    'stratified': _tcs('stratified'),
    'density_ratio_tc': lambda t: losses.density_ratio_tc(
        _normal((16, 2), 0, t)),
    'discriminator_loss': lambda t: losses.discriminator_loss(
        _normal((16, 2), 0, t), _normal((16, 2), 1, t)),
    'binary_cross_entropy': lambda t: losses.binary_cross_entropy(
        _normal((16,), 0, t), _normal((16,), 1, t) > 0),
    'image_discriminator_loss': lambda t: losses.image_discriminator_loss(
        KEY, _normal((16,), 0, t), _normal((16,), 1, t)),
    'image_accuracy': lambda t: losses.image_accuracy(
        _normal((16,), 0, t), _normal((16,), 1, t)),
    'adversarial_weights': lambda t: losses.adversarial_weights(
        jnp.asarray(0.75, t)),
    'pi_controller': lambda t: losses.pi_controller(
        losses.pi_init(), jnp.asarray(20, t), jnp.asarray(5, t)),
    'dava_capacity': lambda t: losses.dava_capacity(jnp.asarray(32768, t)),
    'dava_advance': lambda t: losses.dava_advance(
        jnp.asarray(64, t), jnp.asarray(0.75, t), 128),
    'project_conflict': _project,
    'rtd': _rtd,
}
SAME = {  # these give the type that they are given
    'sample_gaussian': lambda t: losses.sample_gaussian(KEY, *_batch(t)[2:]),
    'latent_shift': _shift,
    'permute_coordinates': lambda t: losses.permute_coordinates(
        KEY, _normal((16, 4), 0, t)),
    'resample_coordinates': lambda t: losses.resample_coordinates(
        KEY, _normal((16, 4), 0, t)),
}


@functools.cache
def _compiled(name, dtype):
    call = {**FLOAT32, **SAME, 'topdis': _topdis}[name]
    return jax.tree.leaves(jax.jit(lambda: call(dtype))())


@pytest.mark.parametrize('dtype', SHORT)
@pytest.mark.parametrize('name', FLOAT32)
def test_short_types_give_float32_and_its_value(name, dtype):
    long = _compiled(name, jnp.float32)
    short = _compiled(name, dtype)
    for got, want in zip(short, long, strict=True):
        assert got.dtype == want.dtype == jnp.float32
        # The arguments are the same numbers: no digit may be lost.
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('dtype', SHORT)
@pytest.mark.parametrize('name', SAME)
def test_short_types_give_themselves(name, dtype):
    (long,), (short,) = (_compiled(name, t) for t in (jnp.float32, dtype))
    assert long.dtype == jnp.float32 and short.dtype == dtype
    np.testing.assert_allclose(short.astype(jnp.float32), long, rtol=1e-2,
                               atol=1e-2)


@pytest.mark.parametrize('dtype', SHORT)
def test_topdis_of_short_types(dtype):
    # Shifted codes and images are rounded to the type: near, not equal.
    (loss,), (long,) = (_compiled('topdis', t) for t in (dtype, jnp.float32))
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, long, rtol=0.2)


@pytest.mark.parametrize('how', ['permutation', 'gaussian', 'uniform'])
@pytest.mark.parametrize('dtype', SHORT)
def test_resampling_keeps_the_type(how, dtype):
    z = losses.resample_coordinates(KEY, _normal((16, 4), 0, dtype), how=how)
    assert z.dtype == dtype


@pytest.mark.parametrize('name', [*FLOAT32, *SAME, 'topdis'])
def test_strict_promotion(name):
    call = {**FLOAT32, **SAME, 'topdis': _topdis}[name]
    with jax.numpy_dtype_promotion('strict'):
        jax.jit(lambda: call(jnp.float32))()
        call(jnp.bfloat16)


@pytest.mark.parametrize('how', ['gaussian', 'uniform', 'permutation'])
def test_strict_promotion_of_resampling(how):
    with jax.numpy_dtype_promotion('strict'):
        losses.resample_coordinates(KEY, _normal((8, 2), 0, jnp.float32),
                                    how=how)


def test_strict_promotion_of_gradients_and_traced_options():
    z = _normal((12, 4), 0, jnp.float32)

    def loss(z, shift, quantile, power):
        return losses.topdis_loss(jnp.tanh, z, KEY, shift=shift,
                                  quantile=quantile, power=power)[0]

    with jax.numpy_dtype_promotion('strict'):
        grad = jax.jit(jax.grad(loss))(z, 0.2, 0.8, 2.0)
    assert np.all(np.isfinite(grad))
