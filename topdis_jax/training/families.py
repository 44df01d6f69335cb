"""How a training step calls the objective of each VAE family.

A new family is one function in losses.objectives, one entry of FAMILIES and
the keys of its `objective` section in experiments/configs/base.py.
"""

from typing import Any, Callable, NamedTuple

import jax

from topdis_jax import losses


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
      objective: (Forward, carry, key) -> (loss, named terms, carry). The terms
        hold 'reconstruction', the only one that may depend on the logits.
    """
    init: Callable[[jax.Array], Any]
    objective: Callable[[Forward, Any, jax.Array], Any]


def _nothing(rng):
    del rng
    return {}


def _vae(options):
    del options

    def objective(forward, carry, rng):
        del rng
        loss, terms = losses.vae(forward.logits, forward.images, forward.mean,
                                 forward.log_var)
        return loss, terms, carry

    return Family(_nothing, objective)


def _beta_vae(options):
    def objective(forward, carry, rng):
        del rng
        loss, terms = losses.beta_vae(
            forward.logits, forward.images, forward.mean, forward.log_var,
            beta=options.beta)
        return loss, terms, carry

    return Family(_nothing, objective)


FAMILIES = {'vae': _vae, 'beta_vae': _beta_vae}


def make_family(name, options):
    """The Family of that name with the options of config.objective.

    Raises:
      ValueError: unknown name.
    """
    if name not in FAMILIES:
        raise ValueError(f'model.family must be one of {", ".join(FAMILIES)}, '
                         f'received {name!r}')
    return FAMILIES[name](options)
