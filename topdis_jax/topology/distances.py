"""Pairwise distances that can be differentiated, and their scaling."""

import functools
import math

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax.collectives import AxisName
from topdis_jax import collectives

from topdis_jax.topology import validity

# What a zero quantile is replaced by, as in the published code.
_SMALLEST_SCALE = 1e-5
# Below it 1 / scale, and sums of that, come near the end of float32's range.
_NEGLIGIBLE = 1e-30


def pairwise_distances(x: ArrayLike, *,
                       axis_name: AxisName = None) -> jax.Array:
    """Euclidean distances between the rows of a batch.

    Differences are taken before they are squared, so that near rows lose no
    digits (the Gram matrix form does). The derivative at distance 0, where
    the norm has none, is 0: coinciding images, which dead latents produce,
    neither attract nor repel one another and give no NaN. So are derivatives
    of higher order there.

    Args:
      x: [n, ...] float; all but the first dimension are flattened. Under
        `axis_name`, this device's rows of a batch that is spread over devices.
      axis_name: name of the mapped axis, or names of the axes, over which the
        batch is spread. Each device computes its rows of the matrix.

    Returns:
      [n, n] float32 (n counts the rows of all devices, in the order of the
      devices), exactly symmetric, with a zero diagonal; the same matrix on
      each device. Right for any x within float32's range, also where squares
      are not; distances below 1e-19 of the largest entry may be 0. Distances
      from a row that is not finite are NaN or infinite, the others are right.
      The derivative of a distance is right to about 1e-7 times the spread of
      the cloud over that distance.

    Raises:
      ValueError: x has no rows' dimension.
      TypeError: x is not floating.
    """
    x = jnp.asarray(x)
    if x.ndim < 1:
        raise ValueError(
            f'pairwise_distances expects x [n, ...], received shape {x.shape}')
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError('pairwise_distances expects floating numbers, received '
                        f'{x.dtype}; convert with x.astype(jnp.float32)')
    flat = x.astype(jnp.float32).reshape(x.shape[0], math.prod(x.shape[1:]))
    return _compiled_distances(flat, axis_name)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _distances(x, axis_name):
    """Distances [n, n] of rows x [b, d]."""
    rows = collectives.gather(x, axis_name)
    dist = lax.platform_dependent(
        x, rows, _scale(x, axis_name), cpu=_norms_on_cpu, default=_norms)
    dist = collectives.gather(dist, axis_name)
    # Another order of summation in a remainder loop must not break symmetry,
    # nor must a compiler that rounds differently where it fuses this with the
    # transpose and computes both anew. The greater of both is alike at [i, j]
    # and [j, i] in either case.
    return jnp.where(jnp.eye(len(dist), dtype=bool), 0.0,
                     jnp.maximum(dist, dist.T))


@_distances.defjvp
def _distances_jvp(axis_name, primals, tangents):
    """d dist[i, j] = <x[i] - x[j], dx[i] - dx[j]> / dist[i, j].

    Linear in dx through one matrix product, so that its transpose, the
    backward pass, is one product as well.
    """
    (x,), (change,) = primals, tangents
    dist = _distances(x, axis_name)
    scale = _scale(x, axis_name)
    x = x * scale
    rows = collectives.gather(x, axis_name)
    # Differences do not see the mean; without it they lose fewer digits.
    mean = lax.stop_gradient(jnp.mean(rows, axis=0, keepdims=True))
    x, rows = x - mean, rows - mean
    product = jnp.matmul(change, rows.T, precision=lax.Precision.HIGHEST)
    # <x[i] - x[j], dx[i]>, of which the other half is the transpose.
    half = collectives.gather(
        jnp.sum(x * change, axis=1, keepdims=True) - product, axis_name)
    positive = dist > 0
    inverse = jnp.where(
        positive, 1 / jnp.where(positive, dist * scale, 1.0), 0.0)
    return dist, inverse * (half + half.T)


# Called outside of a compiled function, it is compiled once for each shape.
@functools.partial(jax.jit, static_argnums=1)
def _compiled_distances(x, axis_name):
    return _distances(collectives.whole(x), axis_name)


def _scale(x, axis_name):
    """The power of two by which x [b, d] is multiplied: 1 as a rule.

    Where squares could leave float32's range, it brings the largest entry of
    all devices to 1. Products with a power of two are exact.
    """
    # A row that is not finite must not make the others 0.
    sizes = jnp.abs(lax.stop_gradient(x))
    largest = jnp.max(jnp.where(sizes < jnp.inf, sizes, 0.0), initial=0.0)
    exponent = (lax.bitcast_convert_type(
        collectives.largest(largest, axis_name), jnp.int32) >> 23) - 127
    power = jnp.where(jnp.abs(exponent) < 32, 0, -exponent)
    return lax.bitcast_convert_type(
        (jnp.clip(power, -126, 126) + 127) << 23, jnp.float32)


def _norms(x, rows, scale):
    """Distances [b, n] of x [b, d] and rows [n, d], both times the scale."""
    x, rows = x * scale, rows * scale
    # The compiler fuses this: [b, n, d] is never stored.
    return jnp.sqrt(jnp.sum((x[:, None, :] - rows[None, :, :]) ** 2,
                            axis=-1)) / scale


def _norms_on_cpu(x, rows, scale):
    """The same; without a pass over x for a scale of 1.

    A loop of no or one turn: under vmap, a condition would compute both.
    """
    def turn(state):
        needed, _ = state
        return needed & False, _by_coordinate(x * scale, rows * scale,
                                              1) / scale

    dist = _by_coordinate(x, rows)
    # The condition must have the type of what the loop makes.
    needed = (scale != 1) | (collectives.zeros(dist) > 0)
    return lax.while_loop(lambda state: state[0], turn, (needed, dist))[1]


def _by_coordinate(x, rows, unroll=32):
    """Distances as sums over coordinates, four times as fast on a CPU, whose
    compiler does not make vectors of the sum's innermost axis."""
    def add(square, column):
        left, right = column
        return square + (left[:, None] - right[None, :]) ** 2, None

    zeros = (collectives.zeros(x, 1)[:, None]
             + collectives.zeros(rows, 1)[None, :])
    return jnp.sqrt(lax.scan(add, zeros, (x.T, rows.T), unroll=unroll)[0])


def scale_by_quantile(dist: ArrayLike, *, mask: ArrayLike | None = None,
                      quantile: ArrayLike = 0.9,
                      floor: ArrayLike = 0.05) -> jax.Array:
    """Divides distances by one of their quantiles.

        scale = max(quantile of the entries, floor * largest entry)

    The quantile is over all m * m entries between the m rows that are kept,
    diagonal included, with linear interpolation. Autodiff takes the scale for
    a constant. All as published, but for the floor.

    The floor acts where nearly all points coincide. There the quantile is 0,
    or so small that a few distinct points would dominate everything: with the
    published scale, losses reach 1e5. With the floor no scaled distance is
    above 1 / floor, and the scale is continuous in the distances. The floor
    changes nothing where the quantile is above floor * largest.

    A quantile whose rank lies on the diagonal (quantile=0 is one) is 0 for
    every cloud. That is no sign of coinciding points, so there is no floor.
    1e-5 replaces a scale of 0, as published. Scales below 1e-30 count as 0.

    Args:
      dist: [n, n] float.
      mask: [n] bool, the rows that are kept; all if None. Other entries of
        `dist` do not count, whatever they are.
      quantile: in [0, 1]; may be traced.
      floor: in [0, 1], share of the largest distance; may be traced. 0 gives
        the published scale.

    Returns:
      [n, n] float32; NaN where a traced option is out of its range.

    Raises:
      ValueError: dist is not square, mask is not bool or does not fit, or an
        option is out of its range.
      TypeError: dist is not floating.
    """
    dist = validity.as_distances('dist', dist, rank=2)
    mask = validity.as_mask(mask, dist)
    quantile, floor = (
        validity.check_option(name, value, lambda x: (0 <= x) & (x <= 1),
                              'lie in [0, 1]')
        for name, value in (('quantile', quantile), ('floor', floor)))
    return dist if dist.size == 0 else _scaled(dist, mask, quantile, floor)


@jax.jit
def _scaled(dist, mask, quantile, floor):
    fixed = lax.stop_gradient(dist)
    kept = validity.pairs_of(mask)
    rows = jnp.sum(mask)
    position = quantile * jnp.maximum(rows ** 2 - 1, 0).astype(jnp.float32)
    scale = _masked_quantile(fixed, kept, position)
    least = floor * jnp.max(jnp.where(kept, fixed, 0.0))
    on_diagonal = position <= (rows - 1).astype(jnp.float32)
    scale = jnp.where(on_diagonal, scale, jnp.maximum(scale, least))
    scale = jnp.where(scale < _NEGLIGIBLE, _SMALLEST_SCALE, scale)
    return dist / jnp.where(jnp.isnan(quantile + floor), jnp.nan, scale)


def _masked_quantile(dist, kept, position):
    """The kept entry [] at a fractional rank among them; 0 of none."""
    values = jnp.where(kept, dist, jnp.inf).reshape(-1)
    last = jnp.maximum(jnp.sum(kept, dtype=jnp.int32) - 1, 0)
    # float32 rounds the ranks of large matrices up.
    low = jnp.minimum(jnp.floor(position).astype(jnp.int32), last)
    fraction = jnp.minimum(position - low.astype(jnp.float32), 1.0)
    at_low, at_high = _order_statistics(values, low, last)
    value = at_low * (1 - fraction) + at_high * fraction
    return jnp.where(jnp.any(kept), value, 0.0)


def _order_statistics(values, rank, last):
    """The values of `rank` (from 0) and of the rank after, at most `last`.

    Non-negative floats are in the order of their bits, so that the bits can
    be found one after another, without a sort.

    Args:
      values: [m] float32, not negative; NaN counts as more than infinity.
      rank, last: [] int32.
    """
    bits = lax.bitcast_convert_type(values, jnp.int32)
    found = lax.platform_dependent(bits, rank, cpu=_bit_by_bit,
                                   default=_digit_by_digit)
    # The next rank holds the same value, or else the least of those above.
    more = jnp.sum(bits <= found) > jnp.minimum(rank + 1, last)
    above = jnp.min(jnp.where(bits > found, bits, jnp.iinfo(jnp.int32).max))
    return tuple(lax.bitcast_convert_type(x, jnp.float32)
                 for x in (found, jnp.where(more, found, above)))


def _bit_by_bit(bits, rank):
    """The entry of a rank by 31 passes over bits [m], the least work."""
    def refine(i, found):
        trial = found | (1 << (30 - i))
        return jnp.where(jnp.sum(bits < trial) <= rank, trial, found)

    start = (bits[0] | rank) & 0  # no constant: see collectives.zeros
    return lax.fori_loop(0, 31, refine, start)


def _digit_by_digit(bits, rank):
    """The same by 4 passes with 256 comparisons each: accelerators wait more
    for a loop's turns than for comparisons."""
    found = jnp.int32(0)
    for shift in (24, 16, 8, 0):
        digits = jnp.arange(128 if shift == 24 else 256, dtype=jnp.int32)
        below = jnp.sum(bits[None, :] < (found | (digits << shift))[:, None],
                        axis=1)
        # Ascending in the digit, of which the first never exceeds the rank.
        found |= (jnp.sum(below <= rank) - 1).astype(jnp.int32) << shift
    return found
