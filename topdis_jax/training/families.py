"""How a training step calls the objective of each VAE family.

A new family is one function in losses.objectives, one entry of FAMILIES and
its keys in the `objective` section of experiments/configs/base.py.
"""

from typing import Any, Callable, NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
import optax

from topdis_jax import losses, models
from topdis_jax.topology import devices


class Forward(NamedTuple):
    """A batch and what the VAE makes of it.

    Attributes:
      images, logits: [b, h, w, c]. mean, log_var, z: [b, d].
    """
    images: jax.Array
    mean: jax.Array
    log_var: jax.Array
    z: jax.Array
    logits: jax.Array


class Family(NamedTuple):
    """The parts of a step that depend on the family.

    Attributes:
      init: key -> carry, what the family keeps between steps (a pytree).
      objective: (Forward, carry, step, key) -> (loss, named terms, carry).
        'reconstruction' is among the terms, the only one that may depend on
        the logits. Under an axis, terms are means over the device's rows.
      update: None, or what follows the VAE's update: (carry, Forward, z of a
        second, independent batch, key) -> (carry, named terms). Steps of such
        a family take that batch too.
    """
    init: Callable[[jax.Array], Any]
    objective: Callable
    update: Callable | None = None


def make_family(config, dataset_size, axis_name=None):
    """The family that a configuration asks for.

    Args:
      config: see experiments/configs/base.py.
      dataset_size: number of images, which beta-TCVAE's estimator needs.
      axis_name: name of the mapped axis over which batches are spread.

    Raises:
      ValueError: unknown name.
    """
    name = config.model.family
    if name not in FAMILIES:
        raise ValueError(f'model.family must be one of {", ".join(FAMILIES)}, '
                         f'received {name!r}')
    return FAMILIES[name](config, dataset_size, axis_name)


def _vae(config, dataset_size, axis_name):
    del config, dataset_size, axis_name

    def objective(forward, carry, step, rng):
        del step, rng
        return *losses.vae(*_elbo_inputs(forward)), carry

    return Family(_nothing, objective)


def _beta_vae(config, dataset_size, axis_name):
    del dataset_size, axis_name
    beta = config.objective.beta

    def objective(forward, carry, step, rng):
        del step, rng
        return *losses.beta_vae(*_elbo_inputs(forward), beta=beta), carry

    return Family(_nothing, objective)


def _beta_tcvae(config, dataset_size, axis_name):
    options = config.objective

    def objective(forward, carry, step, rng):
        del step, rng
        return *losses.beta_tcvae(
            *_elbo_inputs(forward), forward.z, beta=options.beta,
            dataset_size=dataset_size, estimator=options.tc_estimator,
            axis_name=axis_name), carry

    return Family(_nothing, objective)


def _control_vae(config, dataset_size, axis_name):
    del dataset_size
    options = config.objective

    def objective(forward, carry, step, rng):
        del rng
        return losses.control_vae(
            *_elbo_inputs(forward), carry, step,
            proportional=options.proportional, integral=options.integral,
            start=options.kl_start, rise=options.kl_rise,
            every=options.kl_rise_every, stop=options.kl_stop,
            axis_name=axis_name)

    return Family(lambda rng: losses.pi_init(), objective)


def _factor_vae(config, dataset_size, axis_name):
    del dataset_size
    options = config.objective
    discriminator = models.LatentDiscriminator(
        tuple(options.discriminator_hidden))
    optimizer = optax.adam(options.discriminator_learning_rate, b1=0.5, b2=0.9)

    def init(rng):
        params = discriminator.init(
            rng, jnp.zeros((1, config.model.latents)))['params']
        return {'params': params, 'opt_state': optimizer.init(params)}

    def objective(forward, carry, step, rng):
        del step, rng
        density = discriminator.apply({'params': carry['params']}, forward.z)
        return *losses.factor_vae(*_elbo_inputs(forward), density,
                                  gamma=options.gamma), carry

    def update(carry, forward, second_z, rng):
        permuted = losses.permute_coordinates(rng, second_z,
                                              axis_name=axis_name)

        def loss_fn(params):
            return losses.discriminator_loss(*(
                discriminator.apply({'params': params}, lax.stop_gradient(z))
                for z in (forward.z, permuted)))

        loss, grads = devices.mean(
            jax.value_and_grad(loss_fn)(carry['params']), axis_name)
        updates, opt_state = optimizer.update(grads, carry['opt_state'])
        params = optax.apply_updates(carry['params'], updates)
        return ({'params': params, 'opt_state': opt_state},
                {'discriminator': loss})

    return Family(init, objective, update)


def _nothing(rng):
    del rng
    return {}


def _elbo_inputs(forward):
    return forward.logits, forward.images, forward.mean, forward.log_var


FAMILIES = {
    'vae': _vae,
    'beta_vae': _beta_vae,
    'factor_vae': _factor_vae,
    'beta_tcvae': _beta_tcvae,
    'control_vae': _control_vae,
}
