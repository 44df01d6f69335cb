"""Repair of distance matrices that differ from valid ones by rounding."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax.topology import validity


def symmetrize(dist: ArrayLike, *, mask: ArrayLike | None = None,
               tolerance: ArrayLike = 0.001) -> jax.Array:
    """Repairs the rounding errors of a matrix of distances.

    Barcodes need distances that are exactly symmetric, with a zero diagonal
    and no negative entry. Cosine distances, 1 - correlation and distances by
    way of a product of matrices miss that by rounding. This takes the mean of
    [i, j] and [j, i], sets the diagonal to 0, and negative entries to 0.
    A valid matrix stays as it is.

    >>> dist = np.array([[1e-7, 2.0, -1e-8], [2.0, 0, 1.0], [0, 1.0, 0]])
    >>> symmetrize(dist).tolist()
    [[0.0, 2.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 0.0]]

    Works under jit, grad and vmap. The gradient goes half to [i, j] and half
    to [j, i], and is 0 where an entry was set to 0.

    Args:
      dist: [..., n, n] float.
      mask: [..., n] bool, the points that take part (all if None). Entries of
        others are 0 in the result.
      tolerance: faults up to this share of the largest entry are repaired; in
        [0, 1]. The distance of two near points by way of a product of
        matrices is off by 3e-4 of the points' norm in float32.

    Returns:
      [..., n, n] float32. NaN, all of a matrix, if it is traced and its faults
      are larger: those are not rounding.

    Raises:
      ValueError: wrong shapes or options, or a matrix that is not traced with
        NaN, infinity or larger faults; names the first such entry.
      TypeError: not floating.
    """
    given = dist
    dist = validity.as_distances('dist', dist)
    tolerance = validity.check_option(
        'tolerance', tolerance, lambda x: (0 <= x) & (x <= 1),
        'lie in [0, 1]')
    kept = validity.as_mask(mask, dist)
    mended, wrong = _mended(dist, kept, tolerance)
    if not validity.is_traced(given, mask, tolerance, wrong):
        _check(np.asarray(wrong), np.asarray(dist))
    return mended


@jax.jit
def _mended(dist, mask, tolerance):
    """(The result, NaN where it is wrong; which entries are wrong).

    Compiled as a whole, and not step by step outside of jit.
    """
    dist = jnp.where(validity.pairs_of(mask), dist, 0.0)
    limit = tolerance * jnp.max(jnp.abs(dist), axis=(-2, -1), keepdims=True,
                                initial=0.0)
    # NaN and infinity are faults that no limit allows.
    wrong = ~((_faults(dist) <= limit) & jnp.isfinite(dist))
    mean = dist / 2 + jnp.swapaxes(dist, -1, -2) / 2
    mended = jnp.where((mean > 0) & ~_diagonal(dist), mean, 0.0)
    mended = jnp.where(jnp.any(wrong, axis=(-2, -1), keepdims=True), jnp.nan,
                       mended)
    return mended, wrong


def _faults(dist):
    """By how much each entry misses what it must be, [..., n, n]."""
    size = jnp.abs(dist)
    return jnp.maximum(
        jnp.abs(dist - jnp.swapaxes(dist, -1, -2)),
        jnp.where((dist < 0) | _diagonal(dist), size, 0.0))


def _diagonal(dist):
    return jnp.broadcast_to(jnp.eye(dist.shape[-1], dtype=bool), dist.shape)


def _check(wrong, dist):
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        other = dist[(*at[:-2], at[-1], at[-2])]
        raise ValueError(
            'dist must be finite, not negative and symmetric, with a zero '
            f'diagonal, up to rounding: received {dist[at]} against {other} '
            f'at {list(at)}; if it should, give a larger tolerance')
