"""Networks: shapes, sizes, initial values, errors, equality of the forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import models
from topdis_jax.models import networks


def images(shape, batch=2):
    return jax.random.uniform(jax.random.key(7), (batch, *shape))


@functools.lru_cache
def initial(model):
    x = images(getattr(model, 'image_shape', (32, 32, 1)))
    return jax.jit(model.init)(jax.random.key(0), x)


def init_shapes(model, inputs):
    return jax.eval_shape(model.init, jax.random.key(0), inputs)


def apply_shapes(model, variables, inputs, method=None):
    """Shapes and dtypes of the result, without compiling anything."""
    return jax.eval_shape(
        lambda v, x: model.apply(v, x, method=method), variables, inputs)


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def expected_size(channels, width, image_channels, latents):
    """Closed form: weights of 4x4 kernels and dense layers, and biases."""
    chain = (image_channels, *channels, width)
    kernels = 16 * sum(a * b for a, b in zip(chain, chain[1:]))
    encoder = kernels + sum(chain[1:]) + (width + 1) * 2 * latents
    decoder = kernels + sum(chain[:-1]) + (latents + 1) * width
    return encoder + decoder


@pytest.mark.parametrize('side, channels, width', [
    (64, 1, None), (64, 3, None), (64, 1, 256), (32, 1, None), (32, 3, 64),
    (128, 3, None), (256, 1, None)])
def test_conv_shapes_and_size(side, channels, width):
    shape = (side, side, channels)
    model = models.VAE(latents=7, image_shape=shape, width=width)
    x = images(shape)
    variables = init_shapes(model, x)
    assert list(variables) == ['params']  # no state
    mean, log_var = apply_shapes(model, variables, x, 'encode')
    assert mean.shape == log_var.shape == (2, 7)
    logits = apply_shapes(model, variables, jnp.ones((5, 7)), 'decode')
    assert logits.shape == (5, *shape)
    assert logits.dtype == mean.dtype == jnp.float32
    layers = {64: (32, 32, 64, 64), 32: (32, 64, 64),
              128: (32, 32, 64, 64, 64), 256: (32, 32) + (64,) * 4}[side]
    width = width or {1: 128, 3: 256}[channels]
    assert size(variables) == expected_size(layers, width, channels, 7)


@pytest.mark.parametrize('side, channels, top', [
    (16, (32, 64), 4), (48, (32, 32, 64, 64), 3), (80, (32, 32, 64, 64), 5),
    (96, (32, 32, 64, 64, 64), 3), (112, (32, 32, 64, 64), 7)])
def test_images_of_any_multiple_of_16(side, channels, top):
    model = models.VAE(image_shape=(side, side, 1), latents=3, width=8)
    x = images((side, side, 1))
    variables = initial(model)
    encoder, decoder = (variables['params'][part]
                        for part in ('encoder', 'decoder'))
    assert networks.default_channels(side) == channels
    assert encoder['top']['kernel'].shape == (top, top, channels[-1], 8)
    assert decoder['top']['kernel'].shape == (top, top, 8, channels[-1])
    found = jax.jit(model.apply)(variables, x)
    assert found[2].shape == x.shape
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
                 found, jax.jit(model.clone(xla_only=True).apply)(
                     variables, x))


@pytest.mark.parametrize('shape', [(64, 64, 1), (32, 32, 3), (20, 24, 2)])
def test_mlp_shapes_and_size(shape):
    model = models.VAE(network='mlp', latents=6, image_shape=shape,
                       hidden=(50, 40), decoder_hidden=(30, 20, 10))
    x = images(shape)
    variables = init_shapes(model, x)
    mean, log_var, logits = apply_shapes(model, variables, x)
    assert mean.shape == log_var.shape == (2, 6)
    assert logits.shape == x.shape
    pixels = x[0].size
    chains = (pixels, 50, 40, 12), (6, 30, 20, 10, pixels)
    assert size(variables) == sum(
        (a + 1) * b for c in chains for a, b in zip(c, c[1:]))


def test_published_mlp():
    model = models.VAE(network='mlp')
    shapes = init_shapes(model, jnp.zeros((1, 64, 64, 1)))['params']
    kernels = {part: sorted((k['kernel'].shape for k in layers.values()))
               for part, layers in shapes.items()}
    assert kernels == {
        'encoder': [(1200, 20), (1200, 1200), (4096, 1200)],
        'decoder': [(10, 1200), (1200, 1200), (1200, 1200), (1200, 4096)]}


def test_lists_configure_as_tuples_do():
    model = models.VAE(network='mlp', image_shape=[8, 8, 1], hidden=[5],
                       decoder_hidden=[5])
    x = images((8, 8, 1))
    assert apply_shapes(model, init_shapes(model, x), x)[2].shape == x.shape


@pytest.mark.parametrize('side, channels', [(64, 1), (32, 3)])
def test_native_form_is_the_same_function(side, channels):
    shape = (side, side, channels)
    x = images(shape)
    quick = models.VAE(image_shape=shape)
    variables = initial(quick)
    native = models.VAE(image_shape=shape, xla_only=True)

    def loss(model):
        def value(variables):
            mean, log_var, logits = model.apply(variables, x)
            return (mean ** 2 + log_var).sum() + (logits ** 2).sum()
        return jax.jit(jax.value_and_grad(value))(variables)

    # The layers are compared closely in test_convolutions. Here one rounding
    # at the kink of a ReLU can move a gradient by a part in a thousand.
    def check(a, b):
        assert np.linalg.norm(np.subtract(a, b)) < 0.01 * np.linalg.norm(b)

    jax.tree.map(check, loss(quick), loss(native))


def test_initial_values_conv():
    params = initial(models.VAE())['params']
    encoder, decoder = params['encoder'], params['decoder']
    for layer in [*encoder.values(), decoder['latents']]:
        kernel = layer['kernel']
        assert not layer['bias'].any()
        error = 0.02 * (kernel.size / 2) ** -0.5  # of a standard deviation
        assert abs(kernel.std() - 0.02) < 5 * error
        assert abs(kernel.mean()) < 5 * 0.02 * kernel.size ** -0.5
    for name, layer in decoder.items():
        if name == 'latents':
            continue
        bound = (16 * layer['bias'].size) ** -0.5
        assert abs(layer['bias']).max() <= bound
        assert 0.95 * bound < abs(layer['kernel']).max() <= bound


def test_initial_values_mlp():
    model = models.VAE(network='mlp', image_shape=(8, 8, 1), hidden=(300,),
                       decoder_hidden=(200,))
    params = initial(model)['params']
    for layer in [*params['encoder'].values(), *params['decoder'].values()]:
        bound = layer['kernel'].shape[0] ** -0.5
        assert abs(layer['bias']).max() <= bound
        assert 0.95 * bound < abs(layer['kernel']).max() <= bound


@pytest.mark.parametrize('network', ['conv', 'mlp'])
def test_latent_weights(network):
    model = models.VAE(network=network, latents=4, image_shape=(32, 32, 1),
                       hidden=(8,), decoder_hidden=(9,))
    variables = jax.tree.map(lambda a: a, initial(model))  # a copy
    kernel = variables['params']['decoder']['latents']['kernel']
    kernel = kernel.at[2].set(0.)  # a dead latent
    variables['params']['decoder']['latents']['kernel'] = kernel
    expected = [np.sqrt((np.asarray(row) ** 2).sum()) for row in kernel]
    weights = models.latent_weights(variables)
    assert weights[2] == 0
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    np.testing.assert_array_equal(
        weights, models.latent_weights(variables['params']))

    # This layer is what reads the latents: the dead one changes nothing.
    z = jnp.ones((1, 4))
    decode = jax.jit(lambda z: model.apply(variables, z, method='decode'))
    np.testing.assert_array_equal(decode(z), decode(z.at[0, 2].set(5.)))
    assert (decode(z) != decode(z.at[0, 1].set(5.))).any()

    grads = jax.grad(lambda v: models.latent_weights(v).sum())(variables)
    assert not any(leaf.any() for leaf in jax.tree.leaves(grads))


def test_decode_under_pmap():
    model = models.VAE(image_shape=(32, 32, 3))
    variables = initial(model)
    z = jax.random.normal(jax.random.key(2), (4, 2, 10))

    def decode(z):
        return model.apply(variables, z, method='decode')

    np.testing.assert_allclose(
        jax.pmap(decode)(z).reshape(8, 32, 32, 3),
        jax.jit(decode)(z.reshape(8, 10)), rtol=1e-5, atol=1e-5)


def test_latent_discriminator():
    model = models.LatentDiscriminator()
    shapes = init_shapes(model, jnp.zeros((1, 10)))
    sizes = (10, *(1000,) * 6, 2)
    assert size(shapes) == sum(
        (a + 1) * b for a, b in zip(sizes, sizes[1:]))
    small = models.LatentDiscriminator(hidden=(3,))
    z = jnp.array([[1., 2.], [-3., 4.]])
    variables = small.init(jax.random.key(0), z)
    first, out = (variables['params'][name] for name in ('dense_0', 'out'))
    hidden = z @ first['kernel']
    hidden = jnp.where(hidden > 0, hidden, 0.2 * hidden)
    np.testing.assert_allclose(small.apply(variables, z),
                               hidden @ out['kernel'], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize('options', [
    {}, {'instance_norm': False}, {'channels': (4, 8, 16), 'width': 20}])
def test_image_discriminator(options):
    x = images((32, 32, 3))
    model = models.ImageDiscriminator(**options)
    variables = init_shapes(model, x)
    assert list(variables) == ['params']
    logits = apply_shapes(model, variables, x)
    assert logits.shape == (2,) and logits.dtype == jnp.float32


@pytest.mark.parametrize('side', [16, 112, 144, 272])
def test_image_discriminator_reads_what_the_vae_reads(side):
    x = images((side, side, 1))
    for model in (models.ImageDiscriminator(), models.VAE(
            image_shape=(side, side, 1))):
        init_shapes(model, x)


def test_image_discriminator_normalizes_each_image():
    model = models.ImageDiscriminator(channels=(4, 4, 4), width=8)
    x = 1e5 * images((32, 32, 1))  # what is added to a variance is nothing
    variables = initial(model)
    apply = jax.jit(model.apply)
    # The first layer has no bias yet, so the scale of an image drops out.
    scaled = x * jnp.array([2., 3.]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(
        apply(variables, x), apply(variables, scaled), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('options, message', [
    ({'network': 'resnet'}, "('conv', 'mlp'); received 'resnet'"),
    ({'image_shape': (40, 40, 1)}, 'multiple of 16'),
    ({'image_shape': (64, 32, 1)}, 'received 64x32x1'),
    ({'image_shape': (64, 64, 2)}, '1 or 3 channels'),
    ({'image_shape': (64, 64)}, r'(height, width, channels)'),
    ({'latents': 0}, 'received 0'),
    ({'network': 'mlp', 'hidden': ()}, 'at least one size'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError) as error:
        models.VAE(**options).init(jax.random.key(0),
                                   jnp.zeros((1, 64, 64, 1)))
    assert message in str(error.value)


@pytest.mark.parametrize('method, value, message', [
    ('encode', jnp.zeros((64, 64, 1)), 'received [64, 64, 1]'),
    ('encode', jnp.zeros((2, 32, 32, 1)), 'images [batch, 64, 64, 1]'),
    ('encode', jnp.zeros((2, 64, 64, 1), jnp.uint8), 'by 255'),
    ('decode', jnp.zeros((10,)), 'received [10]'),
    ('decode', jnp.zeros((2, 9)), 'latents [batch, 10]; received [2, 9]'),
])
def test_bad_inputs(method, value, message):
    with pytest.raises(ValueError) as error:
        models.VAE().apply({'params': {}}, value, method=method)
    assert message in str(error.value)


def test_other_bad_inputs():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match='parameters of a VAE'):
        models.latent_weights({'params': {'dense': 1}})
    with pytest.raises(ValueError, match='stride-2 layers read'):
        models.ImageDiscriminator(channels=(4, 4)).init(
            key, images((64, 64, 1)))
    with pytest.raises(ValueError, match='Expected images'):
        models.ImageDiscriminator().init(key, jnp.zeros((64, 64, 1)))
    with pytest.raises(ValueError, match=r'latents \[batch, latents\]'):
        models.LatentDiscriminator().init(key, jnp.zeros((10,)))
