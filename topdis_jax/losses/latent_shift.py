"""Shift of a batch along one latent, measured on the scale of its quantiles."""

import functools

import jax
from jax import lax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.scipy.stats import norm
from jax.typing import ArrayLike
import numpy as np

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.losses.inputs import as_float32, check_key
from topdis_jax.topology import validity

# Squares of codes between these are far from the ends of float32's range.
_TINY, _HUGE = 1e-12, 1e12


def latent_shift(
        z: ArrayLike, rng: jax.Array, *, weights: ArrayLike | None = None,
        shift: ArrayLike = 0.125, margin: ArrayLike = 0.001,
        axis_name: AxisName = None) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Moves every code of a batch along one latent by the same probability.

    A latent i and a sign are drawn. With m and s the mean and the standard
    deviation (n - 1) of z[:, i] over the batch and Phi the normal
    distribution function,

        p = Phi((z[:, i] - m) / s),   z'[:, i] = Phi^-1(p +- shift) * s + m.

    Gradients flow through all of it, m and s included. Rows that would leave
    the distribution are not valid; about 1 - shift of the rows are. Shapes
    are fixed: rows that are not valid stay where they were.

    Departure from the published code: valid means that p +- shift lies in
    (margin, 1 - margin), where published is (0, 1), which margin=0 gives: there
    one row can outweigh a batch, as the derivative of Phi^-1 has no bound.

    Source: Balabin et al., Disentanglement Learning via Topology, ICML 2024,
    section 4.

    Args:
      z: [n, d] float codes. Under `axis_name`, this device's rows.
      rng: key, the same on every device.
      weights: [d], not negative: latent i is drawn with probability
        proportional to weights[i]. Not differentiated. Uniform if None, or if
        none is positive. A latent whose (traced) weight is negative is not
        drawn while another is positive.
      shift: probability by which codes move, in (0, 1); may be traced.
      margin: in [0, 0.5); may be traced.
      axis_name: name of the mapped axis over which the batch is spread;
        latent, sign, m and s are then those of the whole batch.

    Returns:
      (z_shifted [n, d] in the type of z, valid [n] bool, dimension []
      int32). A latent that is constant over the batch stays as it is.
      z_shifted is NaN if traced weights hold NaN or infinity, or a traced
      option is out of its range.

    Raises:
      ValueError: wrong shapes, options or weights.
      TypeError: z not floating, or rng not a key.
    """
    z, codes = jnp.asarray(z), as_float32(z=z)
    check_key(rng)
    weights, shift, margin = _checked(z, weights, shift, margin)
    return _shifted(z, codes, rng, weights, shift, margin, axis_name)


@functools.partial(jax.jit, static_argnums=6)
def _shifted(z, codes, rng, weights, shift, margin, axis_name):
    """Compiled as a whole, and not step by step outside of jit."""
    rng_dimension, rng_sign = jax.random.split(rng)
    dimension = _draw_dimension(rng_dimension, weights, z.shape[1])
    # The types are given, so that double precision draws the same.
    sign = jnp.where(jax.random.bernoulli(rng_sign, jnp.float32(0.5)),
                     1.0, -1.0)
    column = lax.dynamic_index_in_dim(codes, dimension, axis=1,
                                      keepdims=False)
    moved, valid = _move(column, sign * shift, margin, axis_name)
    chosen = jnp.arange(z.shape[1]) == dimension
    shifted = jnp.where(chosen[None, :], moved[:, None].astype(z.dtype), z)
    wrong = jnp.isnan(shift + margin)
    if weights is not None:
        wrong |= ~jnp.all(jnp.isfinite(weights))
    return jnp.where(wrong, jnp.nan, shifted), valid, dimension


def _move(column, shift, margin, axis_name):
    unit = _unit(column, axis_name)
    moved, valid = _move_moderate(column / unit, shift, margin, axis_name)
    return jnp.where(valid, moved * unit, column), valid


def _unit(column, axis_name):
    """1, or the largest code where squares of codes leave float32's range."""
    largest = jnp.max(jnp.abs(lax.stop_gradient(column)), initial=0.0)
    largest = collectives.largest(largest, axis_name)
    # Below 1e-35 codes count as one constant.
    moderate = (largest < 1e-35) | (
        (_TINY < largest) & (largest < _HUGE))
    return jnp.where(moderate, 1.0, largest)


def _move_moderate(column, shift, margin, axis_name):
    mean, std = _statistics(column, axis_name)
    # Constant over the batch: 0 / 0. Any scale will do, as Phi^-1 is
    # multiplied by std = 0 in the end.
    p = _ndtr((column - mean) / jnp.where(std > 0, std, 1.0)) + shift
    valid = (p > margin) & (p < 1 - margin)
    # The inverse must not see the rows that are dropped: infinity times a zero
    # cotangent is NaN.
    quantile = _ndtri(jnp.where(valid, p, 0.5))
    return quantile * std + mean, valid


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
    n = column.shape[0] * collectives.count(axis_name)
    mean = collectives.total(jnp.sum(column), axis_name) / max(n, 1)
    square = collectives.total(jnp.sum((column - mean) ** 2), axis_name)
    variance = square / max(n - 1, 1)
    # The root has no derivative at 0: there it is taken as constant.
    positive = variance > 0
    std = jnp.sqrt(jnp.where(positive, variance, 1.0))
    return mean, jnp.where(positive, std, 0.0)


def _draw_dimension(rng, weights, latents):
    if weights is None:
        return jax.random.randint(rng, (), 0, latents, jnp.int32)
    positive = weights > 0
    logits = jnp.where(positive, jnp.log(jnp.where(positive, weights, 1.0)),
                       -jnp.inf)
    logits = jnp.where(jnp.any(positive), logits, 0.0)
    return jax.random.categorical(rng, logits).astype(jnp.int32)


def _checked(z, weights, shift, margin):
    """(weights float32 or None, shift, margin); NaN for a wrong traced one."""
    if z.ndim != 2 or z.shape[1] == 0:
        raise ValueError(
            'z must be codes [n, d] of at least one latent, received shape '
            f'{z.shape}; of one code, z[None] is a batch of one')
    shift = validity.check_option('shift', shift, lambda x: (0 < x) & (x < 1),
                                  'lie in (0, 1)')
    margin = validity.check_option(
        'margin', margin, lambda x: (0 <= x) & (x < 0.5), 'lie in [0, 0.5)')
    if weights is None:
        return None, shift, margin
    if jnp.shape(weights) != (z.shape[1],):
        raise ValueError(f'weights must have shape {(z.shape[1],)}, one for '
                         f'each latent, received {jnp.shape(weights)}')
    if not validity.is_traced(weights):
        values = np.asarray(weights, np.float32)
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            latent = int(np.argmax(bad))
            raise ValueError('weights must be finite and not negative, '
                             f'received {values[latent]} for latent {latent}')
    weights = lax.stop_gradient(jnp.asarray(weights, jnp.float32))
    return weights, shift, margin
