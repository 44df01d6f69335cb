"""beta-VAE: a weight of the KL term. Higgins et al., ICLR 2017."""

from typing import Any

from topdis_jax import losses
from topdis_jax.collectives import AxisName
from topdis_jax.training.families.family import elbo_inputs, Family, Objective
from topdis_jax.training.families.family import Release
from topdis_jax.training.keys import Key, NOT_NEGATIVE

KEYS = {
    # Weight of the KL term.
    'beta': Key(6.0, *NOT_NEGATIVE),
}


def build(config: Any, dataset_size: int, axis_name: AxisName) -> Objective:
    """The objective of a beta-VAE; see `Family`."""
    del dataset_size, axis_name
    beta = config.objective.beta

    def loss(forward, carry, step, rng):
        del step, rng
        return *losses.beta_vae(*elbo_inputs(forward), beta=beta), carry

    return Objective(loss)


FAMILY = Family(build, KEYS, release=Release(second_batch=True))
