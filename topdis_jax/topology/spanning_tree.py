"""Minimum spanning trees and minimax paths of distance matrices, in JAX."""

import functools
from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax.topology import validity


def spanning_tree(dist: ArrayLike, *,
                  mask: ArrayLike | None = None) -> jax.Array:
    """Edges of a minimum spanning tree of a complete graph.

    Prim's algorithm: n - 1 rounds of operations on n entries, without any
    work on the host. Runs under jit, vmap and shard_map on all platforms.

    Args:
      dist: [..., n, n] float, symmetric. The diagonal is not used.
      mask: [..., n] bool, the points that take part (all if None).

    Returns:
      [..., n - 1, 2] int32, edges (i, j) with i < j in ascending order of
      weight. With m points in the mask, the first m - 1 are the tree; (0, 0)
      fills the rest. Where distances are equal, several trees are minimal and
      this is one of them; the sorted weights are the same for all. The tree
      is constant to autodiff: `weights_at(dist, edges)` is differentiable.

    Raises:
      ValueError: wrong shapes. TypeError: not floating.
    """
    dist = validity.as_distances('dist', dist)
    return _over_batch(_sorted_edges, dist, validity.as_mask(mask, dist))


def minimax_paths(dist: ArrayLike, *,
                  mask: ArrayLike | None = None) -> jax.Array:
    """The least possible longest edge of a path, for each pair of points.

    Also known as bottleneck distances, or the ultrametric of single linkage
    clustering: the weight at which two points become connected.

    Args:
      dist: [..., n, n] float, symmetric. The diagonal is not used.
      mask: [..., n] bool, the points that take part (all if None).

    Returns:
      [..., n, n] float32, with a zero diagonal. Entries of points that do not
      take part are infinite. Constant to autodiff.

    Raises:
      ValueError: wrong shapes. TypeError: not floating.
    """
    dist = validity.as_distances('dist', dist)
    return _over_batch(_minimax, dist, validity.as_mask(mask, dist))


def weights_at(dist: jax.Array, edges: jax.Array) -> jax.Array:
    """Weights [..., e] of edges [..., e, 2] in dist [..., n, n].

    Each is the mean of [i, j] and [j, i], so that both get half of the
    gradient.
    """
    n = dist.shape[-1]
    flat = dist.reshape(*dist.shape[:-2], n * n)
    one, other = (jnp.take_along_axis(flat, a * n + b, axis=-1)
                  for a, b in ((edges[..., 0], edges[..., 1]),
                               (edges[..., 1], edges[..., 0])))
    # As a + (b - a) / 2, a mean of large numbers does not overflow.
    return one + (other - one) / 2


def _over_batch(function, dist, mask):
    """function(dist [n, n], mask [n]) over all leading dimensions."""
    dist = lax.stop_gradient(dist)
    for _ in range(dist.ndim - 2):
        function = jax.vmap(function)
    return function(dist, mask)


class _Tree(NamedTuple):
    """State of Prim's algorithm.

    Attributes:
      joined: [n] bool, vertices of the tree.
      reach: [n] float32, weight of the lightest edge from each other vertex
        to the tree; infinite for vertices of the tree.
      parent: [n] int32, the end of that edge in the tree.
    """
    joined: jax.Array
    reach: jax.Array
    parent: jax.Array


def _begin(dist, mask):
    """The tree of the first vertex that takes part."""
    first = jnp.argmax(mask).astype(jnp.int32)
    n = mask.shape[0]
    # Not constants: see collectives.zeros.
    zero = collectives.zeros(dist)
    joined = (jnp.arange(n) == first) & mask
    reach = jnp.where(mask & ~joined, dist[first], jnp.inf) + zero
    return _Tree(joined, reach, jnp.full(n, first) + zero.astype(jnp.int32))


def _grow(dist, mask, tree):
    """(tree with one more vertex, that vertex, its parent, the weight).

    The weight is infinite if no vertex is left; then nothing changes.
    """
    places = jnp.arange(mask.shape[0], dtype=jnp.int32)
    weight = jnp.min(tree.reach)
    # As argmin, which is many times slower on a CPU.
    new = jnp.min(jnp.where(tree.reach == weight, places, mask.shape[0] - 1))
    parent, found = tree.parent[new], weight < jnp.inf
    joined = tree.joined | (found & (places == new))
    row = jnp.where(mask & ~joined & found, dist[new], jnp.inf)
    nearer = row < tree.reach
    reach = jnp.where(joined, jnp.inf, jnp.where(nearer, row, tree.reach))
    return (_Tree(joined, reach, jnp.where(nearer, new, tree.parent)), new,
            parent, weight)


def _prim(dist, mask):
    """(vertex, parent, weight) of each round, [n - 1] each."""
    def add(tree, _):
        tree, *edge = _grow(dist, mask, tree)
        return tree, edge

    return lax.scan(add, _begin(dist, mask), None, mask.shape[0] - 1)[1]


def _sorted_edges(dist, mask):
    if mask.shape[0] < 2:
        return jnp.zeros((0, 2), jnp.int32)
    new, parent, weights = _prim(dist, mask)
    low, high = jnp.minimum(new, parent), jnp.maximum(new, parent)
    order = jnp.lexsort((high, low, weights))
    edges = jnp.stack([low, high], axis=-1)[order]
    return jnp.where(weights[order][:, None] < jnp.inf, edges, 0)


def _minimax(dist, mask):
    """In the order in which Prim's algorithm finds vertices, the path from
    one to a later one is as long as the greatest weight of those between."""
    n = mask.shape[0]
    if n < 2:
        return jnp.zeros((n, n), jnp.float32)
    new, _, weights = _prim(dist, mask)
    found = jnp.arange(n) < jnp.sum(mask)
    order = jnp.where(found, jnp.concatenate(
        [jnp.argmax(mask).astype(jnp.int32)[None], new]), n)
    # Places of vertices in that order; those that do not take part come last.
    rank = jnp.full(n, n - 1, jnp.int32).at[order].set(
        jnp.arange(n, dtype=jnp.int32), mode='drop')
    later = jnp.arange(n)[None, :] > jnp.arange(n)[:, None]
    weights = jnp.concatenate([jnp.zeros(1), weights])
    paths = lax.cummax(jnp.where(later, weights[None, :], 0.0), axis=1)
    paths = jnp.maximum(paths, paths.T)[rank[:, None], rank[None, :]]
    return jnp.where(mask[:, None] & mask[None, :], paths, jnp.inf)
