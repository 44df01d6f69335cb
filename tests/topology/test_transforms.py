"""The losses under the transforms and settings of JAX."""

import functools

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses, topology

RNG = jax.random.key(2)
ENGINES = ('host', 'xla')


def _normal(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=shape), jnp.float32)


WEIGHTS = _normal(3, 6, seed=1)
CODES = _normal(12, 3)


def _loss(z, rng=RNG, weights=WEIGHTS, engine='host', **options):
    return losses.topdis_loss(lambda z: jnp.tanh(z @ weights), z, rng,
                              engine=engine, **options)[0]


@functools.cache
def _expected(engine='host'):
    return jax.jit(jax.value_and_grad(
        functools.partial(_loss, engine=engine)))(CODES)


def _check(got, rtol=1e-5, atol=1e-6):
    for one, other in zip(got, _expected(), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


# Forward mode and second derivatives.

SMALL = _normal(7, 2, seed=4)


def _unscaled(engine, z):
    """Without the quantiles, which autodiff takes for constants."""
    return topology.rtd(*(topology.pairwise_distances(images) for images in (
        z, jnp.sin(z @ WEIGHTS[:2]))), power=1.5, engine=engine)


@pytest.mark.parametrize('engine', ENGINES)
def test_forward_mode_and_second_derivatives(engine):
    function, step = functools.partial(_unscaled, engine), 1e-3
    change = _normal(*SMALL.shape, seed=5)
    gradient = jax.grad(function)
    both = jax.jit(jax.value_and_grad(function))
    first = both(SMALL)[1]
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4,
                              atol=1e-4 * np.abs(first).max())
    forward, hessian = (np.asarray(jax.jit(jax.jacfwd(f))(SMALL))
                        for f in (function, gradient))
    hessian = hessian.reshape(SMALL.size, SMALL.size)
    along = jax.jit(lambda z: jax.jvp(gradient, (z,), (change,))[1])(SMALL)
    of_norm = jax.jit(jax.grad(lambda z: jnp.sum(gradient(z) ** 2) / 2))(SMALL)
    close(forward, first)
    close(hessian, hessian.T, atol=1e-4 * np.abs(hessian).max())
    close(along.ravel(), hessian @ np.ravel(change), atol=1e-3)
    close(of_norm.ravel(), hessian @ np.ravel(first), atol=1e-3)
    (value, slope), (value_2, slope_2) = (
        both(SMALL + side * step * change) for side in (1, -1))
    close((value - value_2) / (2 * step), np.vdot(first, change), rtol=2e-2)
    close((slope - slope_2) / (2 * step), along,
          atol=2e-2 * np.abs(along).max())


def test_topdis_loss_in_forward_mode():
    _check((_expected()[0], jax.jit(jax.jacfwd(_loss))(CODES)))


def test_coinciding_rows_have_finite_derivatives():
    x = SMALL.at[1].set(SMALL[0]).at[4].set(SMALL[0])

    def total(x):
        dist = topology.pairwise_distances(x)
        return jnp.sum(dist + dist ** 2)

    first, second = jax.jit(lambda x: (jax.jacfwd(total)(x),
                                       jax.hessian(total)(x)))(x)
    np.testing.assert_allclose(first, jax.grad(total)(x), rtol=1e-5,
                               atol=1e-5)
    assert np.all(np.isfinite(second)) and np.abs(second).max() > 0.1


# Transforms.


def _loop(function, z):
    """value_and_grad in a while_loop."""
    start = jnp.int32(0), jnp.float32(0), jnp.zeros_like(z)
    return lax.while_loop(
        lambda state: state[0] < 2,
        lambda state: (state[0] + 1, *jax.value_and_grad(function)(z)),
        start)[1:]


TRANSFORMS = {
    'checkpoint': lambda f, z: jax.value_and_grad(jax.checkpoint(f))(z),
    'scan': lambda f, z: [x[1] for x in lax.scan(
        lambda carry, _: (carry, jax.value_and_grad(f)(z)), None,
        length=2)[1]],
    'gradient of a scan': lambda f, z: jax.value_and_grad(
        lambda z: lax.scan(lambda total, _: (total + f(z) / 2, None),
                           jnp.float32(0), length=2)[0])(z),
    'while_loop': _loop,
    'cond': lambda f, z: jax.value_and_grad(lambda z: lax.cond(
        z[0, 0] < 9, f, lambda z: jnp.sum(z), z))(z),
}


@pytest.mark.parametrize('name,engine', [
    *((name, 'host') for name in TRANSFORMS), ('checkpoint', 'xla')])
def test_transforms(name, engine):
    _check(jax.jit(functools.partial(
        TRANSFORMS[name], functools.partial(_loss, engine=engine)))(CODES))


def _masked(mask):
    x, y = (topology.pairwise_distances(cloud) for cloud in (
        CODES, jnp.sin(CODES @ WEIGHTS)))
    return topology.rtd(x, y, mask=mask)


OVER = {
    'keys': (lambda rng: _loss(CODES, rng), jax.random.split(RNG, 3)),
    'masks': (_masked, jnp.arange(36).reshape(3, 12) % 5 > 0),
    'parameters': (lambda w: _loss(CODES, weights=w),
                   jnp.stack([WEIGHTS, 2 * WEIGHTS, WEIGHTS[:, ::-1]])),
    'parameters, gradient': (
        jax.grad(lambda w: _loss(CODES, weights=w)),
        jnp.stack([WEIGHTS, 2 * WEIGHTS, WEIGHTS[:, ::-1]])),
}


@pytest.mark.parametrize('name', OVER)
def test_vmap_equals_a_loop(name):
    function, batch = OVER[name]
    one = jax.jit(function)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(function))(batch), [one(item) for item in batch],
        rtol=1e-4, atol=1e-6)


# Settings.


SETTINGS = {
    'debug_nans': lambda: jax.debug_nans(True),
    'rank promotion': lambda: jax.numpy_rank_promotion('raise'),
    'dtype promotion': lambda: jax.numpy_dtype_promotion('strict'),
    'without jit': jax.disable_jit,
}


@pytest.mark.parametrize('name', SETTINGS)
@pytest.mark.parametrize('compiled', [False, True])
def test_settings(name, compiled):
    function = jax.value_and_grad(_loss)
    with SETTINGS[name]():
        _check((jax.jit(function) if compiled else function)(CODES))


def test_double_precision():
    with jax.enable_x64(True):
        got = jax.jit(jax.value_and_grad(_loss))(
            jnp.asarray(np.asarray(CODES), jnp.float64))
    assert got[1].dtype == np.float64
    _check(got, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('engine', ENGINES)
def test_nothing_is_transferred_after_the_first_step(engine):
    step = jax.jit(jax.value_and_grad(functools.partial(
        _loss, engine=engine)))
    step(CODES)
    with jax.transfer_guard('disallow'):
        jax.block_until_ready(step(CODES))


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_half_precision(dtype):
    """Codes, and images, that have few digits."""
    codes, images = CODES.astype(dtype), (lambda z: jnp.tanh(
        z @ WEIGHTS.astype(z.dtype)).astype(dtype))
    for z in (codes, CODES):
        loss, grad = jax.jit(jax.value_and_grad(lambda z: losses.topdis_loss(
            images, z, RNG)[0]))(z)
        assert loss.dtype == jnp.float32 and grad.dtype == z.dtype
        np.testing.assert_allclose(loss, _expected()[0], rtol=0.1)
        assert np.all(np.isfinite(grad.astype(jnp.float32)))


# The range of float32.


@pytest.mark.parametrize('magnitude', [1e-30, 1e-19, 1e19, 1e30])
def test_images_of_any_magnitude(magnitude):
    """Squares of these distances are not floats, or are denormal."""
    got = jax.jit(jax.value_and_grad(lambda z: losses.topdis_loss(
        lambda z: jnp.float32(magnitude) * jnp.tanh(z @ WEIGHTS), z, RNG)[0]))(
            CODES)
    _check(got, rtol=1e-4, atol=1e-5)


def test_denormal_entries_are_zero():
    """For both engines, and whatever a platform does with them."""
    side = np.triu(np.random.default_rng(6).random((9, 9)), 1)
    lower = np.float32(4e-38) * (side + side.T).astype(np.float32)
    upper = (2 * lower).astype(np.float32)
    assert np.any((lower > 0) & (lower < np.finfo(np.float32).tiny))
    zeroed = [np.where(m < np.finfo(np.float32).tiny, np.float32(0), m)
              for m in (lower, upper)]
    want = topology.relative_barcode(*zeroed, num_bars=30, engine='host')
    assert want.count > 0
    for engine in ENGINES:
        got = topology.relative_barcode(lower, upper, num_bars=30,
                                        engine=engine)
        for one, other in zip(got, want):
            np.testing.assert_array_equal(one, other)
