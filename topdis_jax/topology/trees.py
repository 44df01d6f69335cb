"""Minimum spanning trees and minimax paths of distance matrices, in JAX."""

import functools
from typing import NamedTuple

import jax
from jax import lax
from jax.interpreters import mlir
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax import collectives
from topdis_jax.topology import validity
from topdis_jax.topology.engines import batched, native, primitive
from topdis_jax.topology.entries import weights_at


def spanning_tree(dist: ArrayLike, *,
                  mask: ArrayLike | None = None) -> jax.Array:
    """Edges of a minimum spanning tree of a complete graph.

    On all platforms, under jit, vmap and shard_map, and in exported programs.
    On CPUs by Prim's algorithm: n - 1 rounds of operations on n entries, in
    compiled code. On accelerators, to which a round costs more than its
    operations, by Boruvka's: log2(n) rounds of operations on n * n entries.

    Args:
      dist: [..., n, n] float, symmetric. The diagonal is not used.
      mask: [..., n] bool, the points that take part (all if None).

    Returns:
      [..., n - 1, 2] int32, edges (i, j) with i < j in ascending order of
      weight. With m points in the mask, the first m - 1 are the tree; (0, 0)
      fills the rest. Where distances are equal, several trees are minimal and
      this is one of them; the sorted weights are the same for all.

    Raises:
      ValueError: wrong shapes, or distances that are not finite, negative or
        not symmetric, and not traced. TypeError: not floating.
    """
    dist = validity.as_distances('dist', dist)
    mask = validity.as_mask(mask, dist)
    _check(dist, mask)
    return _over_batch(_sorted_edges, dist, mask)


def _check(dist, mask):
    """Raises ValueError for what is known not to be distances."""
    if validity.can_be_read(dist):
        off = np.where(np.eye(dist.shape[-1], dtype=bool), np.float32(0),
                       np.asarray(dist))
        validity.check_concrete(off, off, mask=mask, names=('dist', 'dist'))


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
      take part are infinite. Each other entry is the weight of an edge of the
      spanning tree, and its gradient goes there. NaN where a traced matrix is
      not finite, negative or not symmetric.

    Raises:
      ValueError: wrong shapes, or distances that are not finite, negative or
        not symmetric, and not traced. TypeError: not floating.
    """
    dist = validity.as_distances('dist', dist)
    mask = validity.as_mask(mask, dist)
    _check(dist, mask)
    return _minimax_paths(dist, mask)


@jax.jit
def _minimax_paths(dist, mask):
    edges, longest = tree_paths(dist, mask)
    n, kept = dist.shape[-1], validity.pairs_of(mask)
    if n < 2:
        return jnp.where(kept, 0.0, jnp.inf)
    used = jnp.where(kept & ~jnp.eye(n, dtype=bool), dist, 0.0)
    valid = validity.all_valid(used)[..., None, None]
    weights = weights_at(jnp.where(kept, dist, 0.0), edges)
    at = jnp.maximum(longest, 0).reshape(*longest.shape[:-2], n * n)
    paths = jnp.take_along_axis(weights, at, axis=-1).reshape(longest.shape)
    paths = jnp.where(valid, jnp.where(longest < 0, 0.0, paths), jnp.nan)
    return jnp.where(kept, paths, jnp.inf)


def tree_paths(dist: jax.Array,
               mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A minimum spanning tree and the longest edge of each path in it.

    Args:
      dist: [..., n, n] float32.
      mask: [..., n] bool.

    Returns:
      (edges [..., n - 1, 2] as `spanning_tree`, [..., n, n] int32: which of
      the edges is the longest between two points; -1 on the diagonal).
    """
    return _over_batch(_tree_paths, dist, mask)


def tree_and_upper(dist: jax.Array,
                   mask: jax.Array
                   ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A minimum spanning tree, and the matrix that makes it zero.

    Args:
      dist: [..., n, n] float32, 0 for points that do not take part.
      mask: [..., n] bool.

    Returns:
      (edges [..., n - 1, 2] as `spanning_tree`, upper [..., n, n] float32:
      dist at the edges, 0 on the diagonal, and elsewhere more than all of
      dist: a bar that ends there would be capped; none is, as the whole
      complex is a simplex in the end; [...] int32, how many edges have a
      positive weight).
    """
    return _over_batch(_edges_and_upper, dist, mask)


@functools.partial(jax.jit, static_argnums=0)
def _over_batch(function, dist, mask):
    """function(dist [n, n], mask [n]) over all leading dimensions.

    Compiled once, and not at each call outside of jit.
    """
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
    edges, = _edges.bind(*batched.of_one_type((dist, mask)))
    return edges


def _edges_and_upper(dist, mask):
    if mask.shape[0] < 2:
        return (jnp.zeros((0, 2), jnp.int32), jnp.zeros_like(dist),
                jnp.zeros((), jnp.int32))
    return _tree.bind(*batched.of_one_type((dist, mask)))


def _edges_type(dist, mask):
    return [batched.result_type((dist, mask), (), np.int32,
                                (mask.shape[-1] - 1, 2))]


def _tree_type(dist, mask):
    n = mask.shape[-1]
    return _edges_type(dist, mask) + [
        batched.result_type((dist, mask), (), np.float32, (n, n)),
        batched.result_type((dist, mask), (), np.int32, ())]


def _lowering(array_program):
    """To compiled code in a program of this process for a CPU alone."""
    def lower(ctx, dist, mask):
        if primitive.target(ctx) == 'cpu':
            return native.lower_trees(ctx, dist, mask)
        one = array_program
        for _ in range(ctx.avals_in[1].ndim - 1):
            one = jax.vmap(one)
        return mlir.lower_fun(one)(ctx, dist, mask)
    return lower


def _tree_as_array_program(dist, mask):
    edges, = _edges_as_array_program(dist, mask)
    i, j = edges.T
    n = mask.shape[0]
    # Not constants: see collectives.zeros.
    apart = jnp.ones((n, n), bool) & (collectives.zeros(dist) == 0)
    apart = apart.at[i, j].set(False).at[j, i].set(False)
    largest = jnp.max(dist)
    above = jnp.maximum(jnp.minimum(largest, 1e38) * 2 + 1, largest)
    upper = jnp.where(apart, above, dist)
    return [edges, jnp.where(jnp.eye(n, dtype=bool), 0.0, upper),
            jnp.sum(weights_at(dist, edges) > 0).astype(jnp.int32)]


def _edges_as_array_program(dist, mask):
    return [lax.platform_dependent(
        dist, mask, cpu=lambda *args: _in_order(*_prim(*args))[0],
        default=lambda *args: _in_order(*_boruvka(*args))[0][:-1])]


_edges = batched.make('topdis_jax_spanning_tree', _edges_type,
                      _lowering(_edges_as_array_program))
_tree = batched.make('topdis_jax_tree_and_upper', _tree_type,
                     _lowering(_tree_as_array_program))


def _boruvka(dist, mask):
    """(one end, other end, weight), [n] each; one has an infinite weight.

    Each component takes its lightest edge to another one, until there is one
    component. Edges are ordered by weight and place, as cycles could arise
    from equal ones. A component is named after one of its vertices, under
    which the edge is kept by which it joins another one.
    """
    n = mask.shape[0]
    place = jnp.arange(n, dtype=jnp.int32)
    name = (jnp.minimum(place[:, None], place[None, :]) * n
            + jnp.maximum(place[:, None], place[None, :]))
    # Not constants: see collectives.zeros.
    zero = collectives.zeros(dist) + collectives.zeros(mask)
    component = place + zero.astype(jnp.int32)
    edges = jnp.zeros_like(component)
    weights = jnp.full(n, jnp.inf) + zero
    kept = validity.pairs_of(mask)
    for _ in range((n - 1).bit_length()):
        apart = kept & (component[:, None] != component[None, :])
        weight, edge = _least(jnp.where(apart, dist, jnp.inf), name)
        own = component[None, :] == place[:, None]
        weight, edge = _least(jnp.where(own, weight[None, :], jnp.inf),
                              jnp.broadcast_to(edge, own.shape))
        joins = weight < jnp.inf
        i, j = (component[end] for end in (edge // n, edge % n))
        target = jnp.where(joins, jnp.where(i == place, j, i), place)
        # Two that take the same edge: the first of them stays.
        stays = (target[target] == place) & (place <= target)
        joins &= ~stays
        target = jnp.where(stays, place, target)
        edges = jnp.where(joins, edge, edges)
        weights = jnp.where(joins, weight, weights)
        for _ in range((n - 1).bit_length()):
            target = target[target]
        component = target[component]
    return edges // n, edges % n, weights


def _least(weights, names):
    """The least (weight, name) of each row of [n, n]; infinity of none."""
    weight = jnp.min(weights, axis=1)
    at_weight = (weights == weight[:, None]) & (weights < jnp.inf)
    return weight, jnp.min(jnp.where(at_weight, names, names.size - 1),
                           axis=1)


def _in_order(new, parent, weights):
    """(edges in ascending order, the order of the weights)."""
    low, high = jnp.minimum(new, parent), jnp.maximum(new, parent)
    order = jnp.lexsort((high, low, weights))
    edges = jnp.stack([low, high], axis=-1)[order]
    return jnp.where(weights[order][:, None] < jnp.inf, edges, 0), order


def _tree_paths(dist, mask):
    """In the order in which Prim's algorithm finds vertices, the longest edge
    from one to a later one is the longest of the edges found in between."""
    n = mask.shape[0]
    if n < 2:
        return jnp.zeros((0, 2), jnp.int32), jnp.full((n, n), -1, jnp.int32)
    new, parent, weights = _prim(dist, mask)
    edges, order = _in_order(new, parent, weights)
    places = jnp.arange(n, dtype=jnp.int32)
    rank = jnp.zeros(n - 1, jnp.int32).at[order].set(places[:-1])
    # When each vertex was found. Those that do not take part: never.
    first = jnp.argmax(mask).astype(jnp.int32)
    vertices = jnp.concatenate([first[None], new])
    found = jnp.where(places < jnp.sum(mask), vertices, n)
    time = jnp.full(n, n - 1, jnp.int32).at[found].set(places, mode='drop')
    later = places[None, :] > places[:, None]
    longest = lax.cummax(jnp.where(
        later, jnp.concatenate([-jnp.ones(1, jnp.int32), rank]), -1), axis=1)
    longest = jnp.maximum(longest, longest.T)
    return edges, longest[time[:, None], time[None, :]]
