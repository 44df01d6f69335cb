"""Minimum spanning trees."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import borrowed
from topdis_jax.topology.engines.kernels.decorators import without_counts
from topdis_jax.topology.engines.kernels.edges import name_of


@without_counts
def spanning_tree(dist, mask, edges, weights, reach, closed, parent):
    """A minimum spanning tree by Prim's algorithm, into `edges` and `weights`.

    Step by step what `topology.trees` does in JAX, so that of equal edges both
    take the same ones.

    Args:
      dist: [n, n] float32. mask: [n] bool.
      edges: [n - 1, 2] int32, zero; ascending by weight and ends, in the end.
      weights: [n - 1] float32. reach, closed: [n] float32. parent: [n] int32.
    """
    dist, edges = borrowed(dist), borrowed(edges)
    weights, reach = borrowed(weights), borrowed(reach)
    closed, parent = borrowed(closed), borrowed(parent)
    n, size, new = mask.size, 0, 0
    while new < n - 1 and not mask[new]:
        new += 1
    for j in range(n):
        reach[j], parent[j] = np.inf, new
        closed[j] = np.float32(0 if mask[j] and j != new else np.inf)
    while size < n - 1:
        row, vertex, weight = dist[new], np.int32(new), np.float32(np.inf)
        for j in range(n):
            value = max(row[j], closed[j])
            parent[j] = vertex if value < reach[j] else parent[j]
            reach[j] = max(min(value, reach[j]), closed[j])
            weight = min(weight, reach[j])
        if not weight < np.inf:
            return
        new = 0
        while reach[new] != weight:
            new += 1
        closed[new] = reach[new] = np.inf
        _insert_edge(edges, weights, size, parent[new], new, weight)
        size += 1


@without_counts
def _insert_edge(edges, weights, size, i, j, weight):
    """Puts an edge where it belongs among the `size` before."""
    low, high = min(i, j), max(i, j)
    place, name = size, name_of(low, high)
    while place and (weights[place - 1] > weight or (
            weights[place - 1] == weight
            and name_of(edges[place - 1, 0], edges[place - 1, 1]) > name)):
        weights[place] = weights[place - 1]
        edges[place, 0] = edges[place - 1, 0]
        edges[place, 1] = edges[place - 1, 1]
        place -= 1
    weights[place] = weight
    edges[place, 0], edges[place, 1] = low, high


@without_counts
def upper_of_tree(dist, edges, upper):
    """See `topology.trees.tree_and_upper`. Returns how many weights are
    positive."""
    n, largest, count = dist.shape[0], np.float32(0), 0
    for i in range(n):
        row = dist[i]
        for j in range(n):
            largest = max(largest, row[j])
    above = max(largest, min(largest, np.float32(1e38)) * np.float32(2)
                + np.float32(1))
    for i in range(n):
        row = upper[i]
        for j in range(n):
            row[j] = above
        row[i] = 0
    for place in range(edges.shape[0]):
        i, j = edges[place, 0], edges[place, 1]
        if i != j:  # in a place in use
            upper[i, j], upper[j, i] = dist[i, j], dist[j, i]
            count += dist[i, j] > 0
    return count
