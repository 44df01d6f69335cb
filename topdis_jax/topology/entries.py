"""Entries of matrices at edges: the gather that carries every gradient."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def entries_at(matrix: jax.Array,
               edges: Sequence[jax.Array]) -> list[jax.Array]:
    """The entries of a matrix at several lists of edges.

    Means of [i, j] and [j, i], so that each gets half of the gradient.

    Args:
      matrix: [..., n, n].
      edges: arrays [..., b, 2] of integers, all of one shape.

    Returns:
      A list of [..., b].
    """
    n = matrix.shape[-1]
    if n == 0 or not edges:
        return [jnp.zeros(e.shape[:-1], matrix.dtype) for e in edges]
    flat = matrix.reshape(*matrix.shape[:-2], n * n)
    # One gather, and so one scatter in the backward pass.
    ends = edges[0] if len(edges) == 1 else jnp.concatenate(edges, axis=-2)
    order = np.array([n, 1], np.int32).reshape(*[1] * (ends.ndim - 1), 2)
    places = ends[..., :1] * order + ends[..., 1:] * order[..., ::-1]
    both = jnp.take_along_axis(
        flat, places.reshape(*places.shape[:-2], -1), axis=-1)
    both = both.reshape(places.shape)
    a, b = both[..., 0], both[..., 1]
    # So written, a mean of large numbers does not overflow.
    together = a + (b - a) / 2
    size = edges[0].shape[-2]
    # Transposing jnp.split under shard_map fails in JAX 0.8.
    return [together[..., i * size:(i + 1) * size] for i in range(len(edges))]


def weights_at(dist: jax.Array, edges: jax.Array) -> jax.Array:
    """Weights [..., e] of edges [..., e, 2] in dist [..., n, n]."""
    weights, = entries_at(dist, [edges])
    return weights
