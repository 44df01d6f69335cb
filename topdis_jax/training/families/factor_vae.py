"""FactorVAE: a classifier of codes estimates the total correlation.

Kim & Mnih, ICML 2018.
"""

from typing import Any

import jax
from jax import lax
import jax.numpy as jnp
import optax

from topdis_jax import collectives, losses, models
from topdis_jax.collectives import AxisName
from topdis_jax.training.families.descent import descend
from topdis_jax.training.families.family import elbo_inputs, Family, Objective
from topdis_jax.training.families.family import Release
from topdis_jax.training.keys import Key, NOT_NEGATIVE, POSITIVE, SIZES

KEYS = {
    # Weight of the total correlation.
    'gamma': Key(5.0, *NOT_NEGATIVE),
    # The discriminator of codes: sizes of its hidden layers.
    'discriminator_hidden': Key((1000,) * 6, *SIZES),
    'discriminator_learning_rate': Key(1e-4, *POSITIVE),
}
LABELS = {
    'total_correlation': 'Total correlation (nats)',
    'discriminator': 'Discriminator (nats)',
}


def build(config: Any, dataset_size: int, axis_name: AxisName) -> Objective:
    """The objective of FactorVAE; see `Family`."""
    del dataset_size
    options = config.objective
    discriminator = models.LatentDiscriminator(
        tuple(options.discriminator_hidden))
    optimizer = optax.adam(options.discriminator_learning_rate, b1=0.5, b2=0.9)

    def init(rng, images):
        del images
        params = discriminator.init(
            rng, jnp.zeros((1, config.model.latents)))['params']
        return {'params': params, 'opt_state': optimizer.init(params)}

    def loss(forward, carry, step, rng):
        del step, rng
        density = discriminator.apply({'params': carry['params']}, forward.z)
        return *losses.factor_vae(*elbo_inputs(forward), density,
                                  gamma=options.gamma), carry

    def update(carry, vae):
        rng_codes, rng_order = jax.random.split(vae.rng)
        permuted = losses.permute_coordinates(
            rng_order, vae.encode(vae.params, 'second', rng_codes),
            axis_name=axis_name)

        def loss_fn(params):
            return losses.discriminator_loss(*(
                discriminator.apply({'params': params}, lax.stop_gradient(z))
                for z in (vae.forward.z, permuted)))

        loss, grads = collectives.mean(
            jax.value_and_grad(loss_fn)(carry['params']), axis_name)
        carry = descend(optimizer, grads, **carry)
        return vae.params, vae.opt_state, carry, {'discriminator': loss}

    return Objective(loss, init, update, batches=('images', 'second'))


# TopDis and the discriminator share the second batch, each with its own sample.
FAMILY = Family(build, KEYS, labels=LABELS,
                release=Release(second_batch=True))
