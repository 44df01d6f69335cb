"""Shift of a batch along one latent, measured on the scale of its quantiles."""

import jax
from jax import lax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm

from topdis_jax.topology import devices


def latent_shift(z, rng, *, weights=None, shift=0.125, margin=1e-3,
                 axis_name=None):
    """Moves every code of a batch along one latent by the same probability.

    A latent i and a sign are drawn. With m and s the mean and the standard
    deviation (n - 1) of z[:, i] over the batch and Phi the normal
    distribution function,

        p = Phi((z[:, i] - m) / s),   z'[:, i] = Phi^-1(p +- shift) * s + m.

    Gradients flow through all of it, m and s included. Rows that would leave
    the distribution are not valid; about 1 - shift of the rows are. Shapes
    are fixed: rows that are not valid stay where they were.

    Departure from the published code: valid means that p +- shift lies in
    (margin, 1 - margin), where published is (0, 1). At the ends the derivative
    of Phi^-1 has no bound (2e5 at 4.7 s), and one row can outweigh a batch;
    with margin 1e-3 it is at most 300. margin=0 gives the published rule.

    Source: Balabin et al., Disentanglement Learning via Topology, ICML 2024,
    section 4.

    Args:
      z: [n, d] float codes. Under `axis_name`, this device's rows.
      rng: key, the same on every device.
      weights: [d] float, not negative: latent i is drawn with probability
        proportional to weights[i]. Not differentiated. Uniform if None, or if
        none is positive.
      shift: probability by which codes move, in (0, 1).
      margin: in [0, 0.5).
      axis_name: name of the mapped axis over which the batch is spread;
        latent, sign, m and s are then those of the whole batch.

    Returns:
      (z_shifted [n, d], valid [n] bool, dimension [] int32). A latent that is
      constant over the batch stays as it is.

    Raises:
      ValueError: wrong shapes or options.
    """
    z = jnp.asarray(z)
    _check(z, weights, shift, margin)
    rng_dimension, rng_sign = jax.random.split(rng)
    dimension = _draw_dimension(rng_dimension, weights, z.shape[1])
    # The types are given, so that double precision draws the same.
    sign = jnp.where(jax.random.bernoulli(rng_sign, jnp.float32(0.5)),
                     1.0, -1.0)
    chosen = (jnp.arange(z.shape[1]) == dimension)[None, :]
    column = lax.dynamic_index_in_dim(z, dimension, axis=1, keepdims=False)
    # Half precision has too few digits for p near 1.
    column = column.astype(jnp.promote_types(z.dtype, jnp.float32))
    moved, valid = _move(column, sign * shift, margin, axis_name)
    moved = moved.astype(z.dtype)[:, None]
    return jnp.where(chosen, moved, z), valid, dimension


def _move(column, shift, margin, axis_name):
    mean, std = _statistics(column, axis_name)
    # Constant over the batch: 0 / 0. Any scale will do, as Phi^-1 is
    # multiplied by std = 0 in the end.
    p = _ndtr((column - mean) / jnp.where(std > 0, std, 1.0)) + shift
    valid = (p > margin) & (p < 1 - margin)
    # The inverse must not see the rows that are dropped: infinity times a zero
    # cotangent is NaN.
    quantile = _ndtri(jnp.where(valid, p, 0.5))
    return jnp.where(valid, quantile * std + mean, column), valid


@jax.custom_jvp
def _ndtr(x):
    """Phi. With a derivative of its own: that of JAX 0.12 fails under
    shard_map with check_vma."""
    return ndtr(x)


_ndtr.defjvps(lambda change, _, x: change * norm.pdf(x))


def _ndtri(p):
    """Phi^-1, which JAX's ndtri is too; that fails under shard_map (0.12) and
    on explicit meshes. Below 6e-8 a value counts as 6e-8, as in the same form
    in the published code, where it is infinite."""
    least = jnp.finfo(p.dtype).epsneg
    return 2 ** 0.5 * lax.erf_inv(2 * jnp.clip(p, least, 1 - least) - 1)


def _statistics(column, axis_name):
    """Mean and standard deviation (n - 1); both of the whole batch."""
    n = column.shape[0] * devices.count(axis_name)
    mean = devices.total(jnp.sum(column), axis_name) / max(n, 1)
    square = devices.total(jnp.sum((column - mean) ** 2), axis_name)
    variance = square / max(n - 1, 1)
    # The root has no derivative at 0: there it is taken as constant.
    positive = variance > 0
    std = jnp.sqrt(jnp.where(positive, variance, 1.0))
    return mean, jnp.where(positive, std, 0.0)


def _draw_dimension(rng, weights, latents):
    if weights is None:
        return jax.random.randint(rng, (), 0, latents, jnp.int32)
    weights = lax.stop_gradient(jnp.asarray(weights, jnp.float32))
    # log(0) = -inf is meant: such a latent is never drawn.
    logits = jnp.where(jnp.any(weights > 0), jnp.log(weights), 0.0)
    return jax.random.categorical(rng, logits).astype(jnp.int32)


def _check(z, weights, shift, margin):
    if z.ndim != 2 or z.shape[1] == 0:
        raise ValueError(
            f'latent_shift expects codes [n, d], received shape {z.shape}')
    if weights is not None and jnp.shape(weights) != (z.shape[1],):
        raise ValueError(f'weights must have shape {(z.shape[1],)}, one for '
                         f'each latent, received {jnp.shape(weights)}')
    if not 0 < shift < 1:
        raise ValueError(f'shift must lie in (0, 1), received {shift}')
    if not 0 <= margin < 0.5:
        raise ValueError(f'margin must lie in [0, 0.5), received {margin}')
