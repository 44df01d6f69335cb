"""What a training step knows of a VAE family: its interface to one."""

from typing import Any, Callable, NamedTuple

import jax


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


class After(NamedTuple):
    """What the VAE's update leaves to a family's own update.

    Attributes:
      params, opt_state: of the VAE, after its update.
      grads: the gradient of that update (clipped, if it was).
      forward: Forward, from before it.
      encode: (params, name of a batch, key) -> sampled codes [b, d].
      decode: (params, codes [m, d]) -> logits [m, h, w, c].
      optimizer: of the VAE.
      rng: key, the same on every device.
    """
    params: Any
    opt_state: Any
    grads: Any
    forward: Forward
    encode: Callable
    decode: Callable
    optimizer: Any
    rng: jax.Array


class Family(NamedTuple):
    """The parts of a step that depend on the family.

    Attributes:
      init: (key, images [1, h, w, c]) -> carry, what the family keeps between
        steps (a pytree).
      objective: (Forward, carry, step, key) -> (loss, named terms, carry).
        'reconstruction' is among the terms, the only one that may depend on
        the logits. Under an axis, terms are means over the device's rows.
      update: None, or what follows the VAE's update: (carry, After) ->
        (params, opt_state, carry, named terms), the first two of the VAE.
      batches: names of the independent batches that a step takes.
      max_norm: None, or what the norm of the VAE's gradient is clipped to.
    """
    init: Callable[[jax.Array, jax.Array], Any]
    objective: Callable
    update: Callable | None = None
    batches: tuple = ('images',)
    max_norm: float | None = None


def elbo_inputs(forward):
    """What every objective takes of a Forward, in its order."""
    return forward.logits, forward.images, forward.mean, forward.log_var
