"""Entries of matrices at edges: the gather that carries every gradient."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


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
    places = [order[..., 0] * n + order[..., 1]
              for e in edges for order in (e, e[..., ::-1])]
    # One gather, and so one scatter in the backward pass. Parts are sliced:
    # transposing jnp.split under shard_map fails in JAX 0.8.
    together = jnp.take_along_axis(
        flat, jnp.concatenate(places, axis=-1), axis=-1)
    size = places[0].shape[-1]
    values = [together[..., i * size:(i + 1) * size]
              for i in range(len(places))]
    # As a + (b - a) / 2, a mean of large numbers does not overflow.
    return [a + (b - a) / 2 for a, b in zip(values[::2], values[1::2])]


def weights_at(dist: jax.Array, edges: jax.Array) -> jax.Array:
    """Weights [..., e] of edges [..., e, 2] in dist [..., n, n]."""
    weights, = entries_at(dist, [edges])
    return weights
