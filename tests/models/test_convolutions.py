"""The quick convolutions against flax's own layers."""

import flax.linen as nn
import jax
from jax import export
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax.models import convolutions

# Stride, height of the input, channels in and out: few channels in (images),
# few out, many of both.
SHAPES = [(2, 8, 1, 32), (2, 8, 3, 5), (2, 8, 32, 32), (2, 4, 32, 1),
          (2, 4, 6, 3), (1, 4, 6, 3)]


def flax_layer(name, features, stride):
    if name == 'Conv':
        return nn.Conv(features, (4, 4), stride, padding=stride - 1)
    padding = 'SAME' if stride == 2 else 'VALID'
    return nn.ConvTranspose(features, (4, 4), (stride,) * 2, padding)


def our_layer(name, features, stride, native=False):
    return getattr(convolutions, name)(features, stride, xla_only=native)


def value_and_grads(layer, variables, x, cotangent):
    @jax.jit
    def run(variables, x, cotangent):
        value, back = jax.vjp(layer.apply, variables, x)
        return value, back(cotangent)

    return run(variables, x, cotangent)


def assert_close(ours, theirs):
    def check(a, b):
        assert a.shape == b.shape and a.dtype == b.dtype
        scale = np.abs(b).max() + 1e-6
        np.testing.assert_allclose(a / scale, b / scale, atol=3e-6)
    jax.tree.map(check, ours, theirs)


def data(name, stride, size, c, f):
    if stride == 1:
        size = 4 if name == 'Conv' else 1
    keys = jax.random.split(jax.random.key(0), 4)
    x = jax.random.normal(keys[0], (3, size, size, c))
    theirs = flax_layer(name, f, stride)
    variables = {'params': {
        'kernel': jax.random.normal(keys[1], (4, 4, c, f)),
        'bias': jax.random.normal(keys[2], (f,))}}
    shape = jax.eval_shape(theirs.apply, variables, x).shape
    return x, theirs, variables, jax.random.normal(keys[3], shape)


@pytest.mark.parametrize('native', [False, True])
@pytest.mark.parametrize('name', ['Conv', 'ConvTranspose'])
@pytest.mark.parametrize('stride, size, c, f', SHAPES)
def test_equals_flax(name, stride, size, c, f, native):
    x, theirs, variables, cotangent = data(name, stride, size, c, f)
    ours = our_layer(name, f, stride, native)
    initial = jax.eval_shape(ours.init, jax.random.key(0), x)
    assert (jax.tree.map(lambda a: a.shape, initial)
            == jax.tree.map(lambda a: a.shape, variables))
    assert_close(value_and_grads(ours, variables, x, cotangent),
                 value_and_grads(theirs, variables, x, cotangent))


@pytest.mark.parametrize('name', ['Conv', 'ConvTranspose'])
def test_not_square(name):
    keys = jax.random.split(jax.random.key(1))
    x = jax.random.normal(keys[0], (2, 4, 6, 3))
    layer = flax_layer(name, 2, 2)
    variables = layer.init(keys[1], x)
    assert_close(our_layer(name, 2, 2).apply(variables, x),
                 layer.apply(variables, x))


@pytest.mark.parametrize('name', ['Conv', 'ConvTranspose'])
def test_transforms(name):
    x, theirs, variables, cotangent = data(name, 2, 8, 3, 4)
    ours = our_layer(name, 4, 2)
    xs, cotangents = (jnp.stack([a, 2 * a, -a, a + 1])
                      for a in (x, cotangent))

    def run(layer):
        return lambda x, g: value_and_grads(layer, variables, x, g)

    expected = jax.vmap(run(theirs))(xs, cotangents)
    assert_close(jax.jit(jax.vmap(run(ours)))(xs, cotangents), expected)
    assert_close(jax.pmap(run(ours))(xs, cotangents), expected)
    checkpointed = jax.checkpoint(ours.apply)
    assert_close(jax.grad(lambda v: checkpointed(v, x).sum())(variables),
                 jax.grad(lambda v: theirs.apply(v, x).sum())(variables))


@pytest.mark.parametrize('platform', ['tpu', 'cuda'])
def test_accelerators_get_native_convolutions(platform):
    layers = [our_layer('Conv', 4, 2), our_layer('ConvTranspose', 1, 2)]
    x = jnp.ones((2, 8, 8, 1))
    y = jnp.ones((2, 4, 4, 4))
    variables = [layer.init(jax.random.key(0), a)
                 for layer, a in zip(layers, (x, y))]

    def loss(variables, x):
        for layer, v in zip(layers, variables):
            x = layer.apply(v, x)
        return (x * x).sum()

    function = jax.jit(jax.grad(loss, argnums=(0, 1)))
    text = {p: export.export(function, platforms=[p])(
        variables, x).mlir_module() for p in (platform, 'cpu')}
    # Two forward, two for the kernels, two for the inputs.
    assert text[platform].count('stablehlo.convolution') == 6
    assert 'stablehlo.dot_general' not in text[platform]
    # On a CPU, none multiplies the zeros of a transposed convolution.
    assert ('lhs_dilate = [2, 2]' in text[platform]
            and 'lhs_dilate = [2, 2]' not in text['cpu'])


def test_initial_values():
    x = jnp.ones((1, 4, 4, 64))
    params = our_layer('Conv', 64, 2).init(jax.random.key(0), x)['params']
    assert abs(params['kernel'].std() - 0.02) < 2e-4
    assert not params['bias'].any()
    params = our_layer('ConvTranspose', 32, 2).init(
        jax.random.key(0), x)['params']
    bound = (16 * 32) ** -0.5  # PyTorch counts what one input reaches
    for value in params.values():
        assert abs(value).max() <= bound < 1.2 * abs(value).max()
    assert abs(params['kernel'].std() - bound / 3 ** 0.5) < 2e-4
