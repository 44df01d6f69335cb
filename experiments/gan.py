"""A small GAN of rendered sprites, trained once and kept in a folder.

The networks are the decoder and the encoder of the VAEs. The loss is the
non-saturating one (Goodfellow et al., 2014) with R1, a penalty on the
discriminator's gradient at real images (Mescheder et al., 2018); the generator
that is kept is a moving average.
"""

from collections.abc import Callable
import functools
import os
from typing import Any, NamedTuple

from flax import linen as nn
from flax import serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax

from topdis_jax import files, models, progress
from topdis_jax.data import sources
from topdis_jax.training.inference import to_float

DATA = 'sprites_upright'
LATENTS = 8
STEPS = 3000
_BATCH = 48
_PENALTY = 0.5  # half of R1's gamma, for images in [0, 1]
_KEPT = 0.995  # of the moving average, a step
_CHANNELS = (32, 64, 64)
_WIDTH = 256
_OPTIMIZER = optax.adam(1e-3, 0.0, 0.99)


class _State(NamedTuple):
    generator: Any
    discriminator: Any
    average: Any
    optimizers: Any


def load(folder: str, steps: int = STEPS) -> Callable[[jax.Array], jax.Array]:
    """The generator [n, LATENTS] -> [n, h, w, 1] in `folder`.

    Trained and written there if it is not there yet.
    """
    generator, _ = _networks()
    path = os.path.join(folder, 'gan.msgpack')
    blank = generator.init(jax.random.key(0), jnp.zeros((1, LATENTS)))
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        trained = train(sources.load(DATA).images, steps)
        with files.replacing(path, 'wb') as file:
            file.write(serialization.to_bytes(trained))
    with open(path, 'rb') as file:
        params = serialization.from_bytes(blank, file.read())
    return lambda codes: nn.sigmoid(generator.apply(params, codes))


def sample(key: jax.Array, n: int) -> jax.Array:
    """Codes [n, LATENTS]."""
    return jax.random.normal(key, (n, LATENTS))


def _networks():
    return (models.ConvDecoder(_CHANNELS, _WIDTH, 1,
                               initialization='pytorch'),
            models.ImageDiscriminator(_CHANNELS, _WIDTH, instance_norm=False,
                                      initialization='pytorch'))


def train(images: np.ndarray, steps: int) -> Any:
    """Parameters of the generator, from images [n, h, w, 1] uint8."""
    generator, discriminator = _networks()
    params = generator.init(jax.random.key(0), jnp.zeros((1, LATENTS)))
    judge = discriminator.init(jax.random.key(1), to_float(images[:1]))
    state = _State(params, judge, params, (
        _OPTIMIZER.init(params), _OPTIMIZER.init(judge)))
    step = jax.jit(functools.partial(_step, generator, discriminator))
    rng = np.random.default_rng(0)
    for i in progress.Bar(range(steps), desc='Training the GAN, once',
                          unit='step'):
        batch = images[rng.integers(len(images), size=_BATCH)]
        state = step(state, batch, jax.random.key(i))
    return state.average


def _step(generator, discriminator, state, images, key):
    """One step of both, the discriminator first."""
    codes = [sample(key, _BATCH) for key in jax.random.split(key)]
    real, apply = to_float(images), discriminator.apply

    def decode(params, codes):
        return nn.sigmoid(generator.apply(params, codes))

    fake = decode(state.generator, codes[0])

    def of_discriminator(judge):
        slopes = jax.grad(lambda x: jnp.sum(apply(judge, x)))(real)
        return jnp.mean(
            nn.softplus(-apply(judge, real)) + nn.softplus(apply(judge, fake))
            + _PENALTY * jnp.sum(slopes ** 2, axis=(1, 2, 3)))

    judge, of_judge = _descend(of_discriminator, state.discriminator,
                               state.optimizers[1])
    params, of_params = _descend(
        lambda params: jnp.mean(
            nn.softplus(-apply(judge, decode(params, codes[1])))),
        state.generator, state.optimizers[0])
    average = jax.tree.map(lambda old, new: _KEPT * old + (1 - _KEPT) * new,
                           state.average, params)
    return _State(params, judge, average, (of_params, of_judge))


def _descend(loss, params, state):
    updates, state = _OPTIMIZER.update(jax.grad(loss)(params), state)
    return optax.apply_updates(params, updates), state
