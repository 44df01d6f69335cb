"""The plain VAE. Kingma & Welling, 2014."""

from typing import Any

from topdis_jax import losses
from topdis_jax.collectives import AxisName
from topdis_jax.training.families.family import elbo_inputs, Family, Objective
from topdis_jax.training.families.family import Release


def build(config: Any, dataset_size: int, axis_name: AxisName) -> Objective:
    """The objective of a VAE; see `Family`."""
    del config, dataset_size, axis_name

    def loss(forward, carry, step, rng):
        del step, rng
        return *losses.vae(*elbo_inputs(forward)), carry

    return Objective(loss)


# In the release, beta-VAE with beta 1.
FAMILY = Family(build, release=Release(second_batch=True))
