"""Controllers and schedules: state in, state out.

Each is a NamedTuple of scalars that the caller keeps between steps.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax.topology import validity


class PIState(NamedTuple):
    """State of ControlVAE's controller.

    Attributes:
      integral: [] float, the integral term.
      output: [] float, the last output before its floor at 1.
    """
    integral: jax.Array
    output: jax.Array


def pi_init() -> PIState:
    """The controller's state before the first step."""
    return PIState(jnp.zeros(()), jnp.zeros(()) + 1)


def pi_controller(state: PIState, kl: ArrayLike, set_point: ArrayLike, *,
                  proportional: float | jax.Array = 0.01,
                  integral: float | jax.Array = -0.001
                  ) -> tuple[jax.Array, PIState]:
    """The weight of the KL term by a non-linear PI controller.

        error  = set_point - kl
        P      = proportional / (1 + exp(error)) + 1
        I     += integral * error, unless the last P + I was below 1
        weight = max(P + I, 1)

    The exception (anti-windup) keeps the integral where it is while the
    weight stands at its floor. As exp overflows, P tends to its limit 1.

    Source: Shao et al., ControlVAE, ICML 2020, eq. 7 and algorithm 1, with
    the published code's added 1, by which the weight never falls below that
    of the plain VAE.

    Args:
      state: PIState.
      kl: [] float, KL of the (whole) batch in nats. Not differentiated.
      set_point: [] float, nats, see `pi_set_point`.
      proportional, integral: gains.

    Returns:
      (weight [] float, PIState).
    """
    set_point = jnp.asarray(set_point, jnp.float32)
    error = set_point - jax.lax.stop_gradient(jnp.asarray(kl, jnp.float32))
    p = proportional / (1 + jnp.exp(error)) + 1
    grown = state.integral + integral * error
    i = jnp.where(state.output < 1, state.integral, grown)
    output = p + i
    return jnp.maximum(output, 1.0), PIState(i, output)


def largest_start(proportional: float = 0.01,
                  integral: float = -0.001) -> float:
    """Error from which on `pi_controller` freezes at its first step, in nats.

    P stays below 1 + proportional. So once I is -proportional or less, P + I
    stays below 1, which is what keeps I where it is: the weight is 1 for good.
    The first step makes I = integral * error.

    Returns:
      proportional / -integral; infinity if the integral is not negative.
    """
    return proportional / -integral if integral < 0 else math.inf


def pi_set_point(step: int | jax.Array, *, start: ArrayLike = 0.5,
                 rise: ArrayLike = 0.15, every: int = 5000,
                 stop: ArrayLike = 18.0) -> jax.Array:
    """ControlVAE's set point of the KL, which rises in stairs.

    Source: Shao et al. 2020, section 5 (dSprites: 0.15 every 5000 steps).

    Args:
      step: [] int, steps done.
      start, rise, stop: nats.
      every: steps between two stairs, a whole number of at least 1.

    Returns:
      [] float32, nats.

    Raises:
      ValueError: every is not such a number.
    """
    every = validity.check_count('every', every)
    stairs = jnp.asarray(step // every, jnp.float32)
    return jnp.minimum(start + rise * stairs, stop)


def dava_capacity(kl_step: ArrayLike, *, largest: ArrayLike = 8.0,
                  threshold: ArrayLike = 12800000) -> jax.Array:
    """DAVA's target of the mean KL of a latent: kl_step / threshold, scaled.

        capacity = min(largest * kl_step / threshold, largest)

    Source: Estermann & Wattenhofer, DAVA, ICLR 2023, and its published code,
    where nothing keeps it from falling below 0.

    Args:
      kl_step: [] float, see `dava_advance`.
      largest: nats.
      threshold: kl_step (images, roughly half of those seen) at the largest.
        Above 0.

    Returns:
      [] float32, nats.

    Raises:
      ValueError: threshold is not above 0.
    """
    threshold = validity.check_option('threshold', threshold, lambda x: x > 0,
                                      'be above 0')
    kl_step = jnp.asarray(kl_step, jnp.float32)
    return jnp.minimum(largest * kl_step / threshold, largest)


def dava_advance(kl_step: ArrayLike, accuracy: ArrayLike,
                 batch_size: int) -> jax.Array:
    """The next kl_step: forth while the discriminator is fooled, else back.

    Half a batch forth at an accuracy of 0.501 or less, back above 0.51.

    Source: the published code of Estermann & Wattenhofer 2023.

    Args:
      kl_step: [] float.
      accuracy: [] float, of the discriminator on the whole batch.
      batch_size: images in the whole batch.

    Returns:
      [] float32. NaN if the accuracy is.
    """
    half = float(batch_size // 2)
    kl_step = jnp.asarray(kl_step, jnp.float32)
    accuracy = jnp.asarray(accuracy, jnp.float32)
    change = jnp.where(accuracy <= 0.501, half,
                       jnp.where(accuracy > 0.51, -half, 0.0))
    return kl_step + jnp.where(jnp.isnan(accuracy), jnp.nan, change)
