"""What a training run carries from step to step."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from topdis_jax import models
from topdis_jax.training import families


class TrainState(NamedTuple):
    """A pytree; one is a function of the configuration and the step alone.

    Attributes:
      step: [] int32, steps done.
      params: parameters of the VAE.
      opt_state: state of its optimiser.
      carry: what the family keeps besides (a dict, empty for most).
      skipped: [] int32, how many of the steps changed nothing, because their
        numbers were not finite.
    """
    step: jax.Array
    params: Any
    opt_state: Any
    carry: Any
    skipped: jax.Array


def make_model(config: Any, image_shape: Sequence[int]) -> models.VAE:
    """The VAE that a configuration asks for, for images [h, w, c]."""
    options, release = config.model, families.release(config)
    return models.VAE(
        network=options.network, latents=options.latents,
        image_shape=tuple(image_shape), width=options.width or None,
        hidden=tuple(options.hidden),
        decoder_hidden=tuple(options.decoder_hidden),
        # Older runs have no such key.
        channels=tuple(options.get('channels', ())),
        initialization=release.initialization, log_sigma=release.log_sigma)


def make_optimizer(config: Any) -> optax.GradientTransformation:
    """The optimiser of the VAE's parameters: Adam, as published."""
    return optax.adam(config.train.learning_rate)


def create_state(config: Any, model: models.VAE, objective: Any) -> TrainState:
    """The state before the first step, a function of config.seed."""
    rng_model, rng_family = jax.random.split(jax.random.key(config.seed))
    images = jnp.zeros((1, *model.image_shape))
    # Compiled as a whole: the initializers one by one take seconds.
    params = jax.jit(model.init)(rng_model, images)['params']
    return TrainState(
        step=jnp.zeros((), jnp.int32), params=params,
        opt_state=make_optimizer(config).init(params),
        carry=jax.jit(objective.init)(rng_family, images),
        skipped=jnp.zeros((), jnp.int32))
