"""The plain VAE. Kingma & Welling, 2014."""

from topdis_jax import losses
from topdis_jax.training.families.family import elbo_inputs, Family, Objective


def build(config, dataset_size, axis_name):
    del config, dataset_size, axis_name

    def loss(forward, carry, step, rng):
        del step, rng
        return *losses.vae(*elbo_inputs(forward)), carry

    return Objective(loss)


FAMILY = Family(build)
