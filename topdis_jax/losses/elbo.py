"""The terms of the evidence lower bound, in nats, per image and per latent.

Arrays may be of any floating type; what is computed is float32.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.losses.inputs import as_float32, check_images, check_key

# exp() of a larger log variance leaves float32's range, as does the square of
# a larger mean, and 0 * inf is NaN.
_MAX_LOG_VAR = 80.0
_MAX_MEAN = 1e18


def bernoulli_nll(logits: ArrayLike, images: ArrayLike) -> jax.Array:
    """Bernoulli cross-entropy -log p(x|z) from logits, summed over an image.

    max(l, 0) - l x + log(1 + exp(-|l|)): finite for every finite logit l.

    Args:
      logits: [b, ...] float.
      images: [b, ...] float in [0, 1], of the same shape.

    Returns:
      [b] float32, nats per image.

    Raises:
      ValueError: the shapes differ, or there are no rows' dimension.
      TypeError: images or logits of whole numbers.
    """
    _check_same('logits', logits, 'images', images)
    check_images('images', images)
    logits, images = as_float32(logits=logits, images=images)
    if logits.ndim < 1:
        raise ValueError('logits must have shape [b, ...], received ()')
    # Flat: a CPU is slow on arrays whose last axis is short, as of channels.
    shape = len(logits), math.prod(logits.shape[1:])
    return jnp.sum(cross_entropy(logits.reshape(shape),
                                 images.reshape(shape)), axis=1)


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Elementwise Bernoulli cross-entropy in nats; see `bernoulli_nll`."""
    return (jnp.maximum(logits, 0) - logits * targets
            + jnp.log1p(jnp.exp(-jnp.abs(logits))))


def gaussian_kl(mean: ArrayLike, log_var: ArrayLike) -> jax.Array:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each latent.

    (exp(log_var) + mean^2 - 1 - log_var) / 2. Log variances above 80 count
    as 80 in the exponential, and means beyond 1e18 as 1e18: both overflow.

    Args:
      mean, log_var: [b, d] float.

    Returns:
      [b, d] float32, nats.

    Raises:
      ValueError: the shapes differ.
      TypeError: not floating.
    """
    _check_same('mean', mean, 'log_var', log_var)
    mean, log_var = as_float32(mean=mean, log_var=log_var)
    var = jnp.exp(jnp.minimum(log_var, _MAX_LOG_VAR))
    mean = jnp.clip(mean, -_MAX_MEAN, _MAX_MEAN)
    return (var + mean ** 2 - 1 - log_var) / 2


def sample_gaussian(rng: jax.Array, mean: ArrayLike, log_var: ArrayLike, *,
                    axis_name: AxisName = None) -> jax.Array:
    """Reparameterised sample mean + exp(log_var / 2) * noise.

    Log variances above 80 count as 80: the exponential would overflow.

    Args:
      rng: key, the same on every device.
      mean, log_var: [b, d] float. Under `axis_name`, this device's rows.
      axis_name: name of the mapped axis over which the batch is spread. The
        noise is then this device's part of the noise of the whole batch, so
        that a sample does not depend on the number of devices.

    Returns:
      [b, d] in the type of `mean`.

    Raises:
      ValueError: the shapes differ, or are not [b, d].
      TypeError: not floating.
    """
    check_key(rng)
    _check_same('mean', mean, 'log_var', log_var)
    dtype = jnp.asarray(mean).dtype
    mean, log_var = as_float32(mean=mean, log_var=log_var)
    if mean.ndim != 2:
        raise ValueError(f'mean must have shape [b, d], received {mean.shape}')
    rows, latents = mean.shape
    whole = (collectives.count(axis_name) * rows, latents)
    noise = collectives.own_rows(
        jax.random.normal(rng, whole, jnp.float32), rows, axis_name)
    std = jnp.exp(jnp.minimum(log_var, _MAX_LOG_VAR) / 2)
    return (mean + std * noise).astype(dtype)


def _check_same(name_a, a, name_b, b):
    if jnp.shape(a) != jnp.shape(b):
        raise ValueError(f'{name_a} and {name_b} must have one shape, received '
                         f'{jnp.shape(a)} and {jnp.shape(b)}')
