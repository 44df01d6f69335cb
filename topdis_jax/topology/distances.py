"""Pairwise distances that can be differentiated, and their scaling."""

import functools
import math

import jax
from jax import lax
import jax.numpy as jnp

from topdis_jax.topology import devices

# What a zero quantile is replaced by, as in the published code.
_SMALLEST_SCALE = 1e-5


def pairwise_distances(x, *, axis_name=None):
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
      are not; distances below 1e-19 of the largest entry may be 0.

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
    return _distances(flat, axis_name)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _distances(x, axis_name):
    """Distances [n, n] of rows x [b, d]."""
    rows = devices.gather(x, axis_name)
    dist = _rescaled(_norms(x, rows), x, rows, _scale(x, axis_name))
    dist = devices.gather(dist, axis_name)
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
    rows = devices.gather(x, axis_name)
    # Differences do not see the mean; without it they lose fewer digits.
    mean = lax.stop_gradient(jnp.mean(rows, axis=0, keepdims=True))
    x, rows = x - mean, rows - mean
    product = jnp.matmul(change, rows.T, precision=lax.Precision.HIGHEST)
    # <x[i] - x[j], dx[i]>, of which the other half is the transpose.
    half = devices.gather(
        jnp.sum(x * change, axis=1, keepdims=True) - product, axis_name)
    positive = dist > 0
    inverse = jnp.where(
        positive, 1 / jnp.where(positive, dist * scale, 1.0), 0.0)
    return dist, inverse * (half + half.T)


def _scale(x, axis_name):
    """The power of two by which x [b, d] is multiplied: 1 as a rule.

    Where squares could leave float32's range, it brings the largest entry of
    all devices to 1. Products with a power of two are exact.
    """
    largest = jnp.max(jnp.abs(lax.stop_gradient(x)), initial=0.0)
    exponent = (lax.bitcast_convert_type(
        devices.largest(largest, axis_name), jnp.int32) >> 23) - 127
    power = jnp.where(jnp.abs(exponent) < 32, 0, -exponent)
    return lax.bitcast_convert_type(
        (jnp.clip(power, -126, 126) + 127) << 23, jnp.float32)


def _rescaled(dist, x, rows, scale):
    """_norms once more where the scale is not 1.

    A loop of no or one turn: under vmap, a condition would compute both.
    """
    def turn(state):
        needed, _ = state
        return needed & False, _norms(x * scale, rows * scale, 1) / scale

    # The condition must have the type of what the loop makes.
    needed = (scale != 1) | (devices.zeros(dist) > 0)
    return lax.while_loop(lambda state: state[0], turn, (needed, dist))[1]


def _norms(x, rows, unroll=32):
    """Distances [b, n] of x [b, d] and rows [n, d]."""
    return jnp.sqrt(lax.platform_dependent(
        x, rows, cpu=functools.partial(_squares_by_coordinate, unroll=unroll),
        default=_squares))


def _squares(x, rows):
    """Squared distances [b, n] of x [b, d] and rows [n, d]."""
    # The compiler fuses this: [b, n, d] is never stored.
    return jnp.sum((x[:, None, :] - rows[None, :, :]) ** 2, axis=-1)


def _squares_by_coordinate(x, rows, unroll=32):
    """The same, four times as fast on a CPU, whose compiler does not make
    vectors of the sum's innermost axis."""
    def add(square, column):
        left, right = column
        return square + (left[:, None] - right[None, :]) ** 2, None

    zeros = devices.zeros(x, 1)[:, None] + devices.zeros(rows, 1)[None, :]
    return lax.scan(add, zeros, (x.T, rows.T), unroll=unroll)[0]


def scale_by_quantile(dist, *, mask=None, quantile=0.9):
    """Divides distances by one of their quantiles.

    The quantile is over all m * m entries between the m rows that are kept,
    diagonal included, with linear interpolation. Autodiff takes it for a
    constant, and 1e-5 replaces a quantile of 0. All as published.

    Args:
      dist: [n, n] float.
      mask: [n] bool, the rows that are kept; all if None. Other entries of
        `dist` do not count, whatever they are.
      quantile: in [0, 1].

    Returns:
      [n, n] float.

    Raises:
      ValueError: dist is not square, mask does not fit, quantile not in [0, 1].
    """
    dist = devices.whole(jnp.asarray(dist))
    check_square('dist', dist, 2)
    if not 0 <= quantile <= 1:
        raise ValueError(f'quantile must lie in [0, 1], received {quantile}')
    n = dist.shape[0]
    if mask is None:
        mask = jnp.ones(n, bool)
    elif jnp.shape(mask) != (n,):
        raise ValueError(
            f'mask must have shape {(n,)}, received {jnp.shape(mask)}')
    if n == 0:
        return dist
    scale = _masked_quantile(lax.stop_gradient(dist), mask, quantile)
    return dist / jnp.where(scale == 0, _SMALLEST_SCALE, scale)


def _masked_quantile(dist, mask, quantile):
    """Quantile of the entries whose row and column are in the mask."""
    kept = mask[:, None] & mask[None, :]
    values = jnp.where(kept, dist, jnp.inf).reshape(-1).astype(jnp.float32)
    last = jnp.maximum(jnp.sum(mask) ** 2 - 1, 0)
    position = quantile * last.astype(jnp.float32)
    low = jnp.floor(position).astype(jnp.int32)
    fraction = position - low.astype(jnp.float32)
    at_low, at_high = _order_statistics(values, low, last)
    value = at_low * (1 - fraction) + at_high * fraction
    return jnp.where(jnp.any(mask), value, 0.0)


def _order_statistics(values, rank, last):
    """The values of `rank` (from 0) and of the rank after, at most `last`.

    By bisection on the bits, 31 passes over the values where a sort takes
    many more: non-negative floats are in the order of their bits.

    Args:
      values: [m] float32, not negative; NaN counts as more than infinity.
      rank, last: [] int32.
    """
    bits = lax.bitcast_convert_type(values, jnp.int32)

    def refine(i, found):
        trial = found | (1 << (30 - i))
        return jnp.where(jnp.sum(bits < trial) <= rank, trial, found)

    start = (bits[0] | rank) & 0  # no constant: see devices.zeros
    found = lax.fori_loop(0, 31, refine, start)
    # The next rank holds the same value, or else the least of those above.
    more = jnp.sum(bits <= found) > jnp.minimum(rank + 1, last)
    above = jnp.min(jnp.where(bits > found, bits, jnp.iinfo(jnp.int32).max))
    return tuple(lax.bitcast_convert_type(x, jnp.float32)
                 for x in (found, jnp.where(more, found, above)))


def check_square(name, matrix, rank=None):
    """Raises ValueError unless matrix is [..., n, n] (of the given rank)."""
    shape = jnp.shape(matrix)
    square = len(shape) >= 2 and shape[-1] == shape[-2]
    if not square or rank not in (None, len(shape)):
        expected = '[n, n]' if rank == 2 else '[..., n, n]'
        raise ValueError(
            f'{name} must have shape {expected}, received {shape}')
