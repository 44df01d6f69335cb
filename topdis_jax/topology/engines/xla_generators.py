"""Generators of relative homology, and which edges are their sums.

The first half of `xla`, which has the notation.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from topdis_jax.topology import validity
from topdis_jax.topology.engines import bitsets

_LAST = np.iinfo(np.int32).max  # also clears the sign: -0 counts as 0
_BLOCK = 1 << 21  # triangles looked at at once: bounds the memory


@functools.lru_cache(maxsize=8)
def edges_of(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(i, j, edge): the ends [E] of edges, and the edge of two ends [n, m].

    It is E on the diagonal and for vertices from n on: m is the next multiple
    of 32, so that sets of vertices fill their words.
    """
    i, j = np.triu_indices(n, 1)
    edge = np.full((n, n + -n % 32), len(i), np.int32)
    edge[i, j] = edge[j, i] = np.arange(len(i))
    return i.astype(np.int32), j.astype(np.int32), edge


class Order(NamedTuple):
    """What stays as it is. G = 32 words.

    Attributes:
      values: [2 E] int32, bits of each event's value.
      events: [2 E] int32 in order of rank.
      generators: [G] int32, edges in order of rank.
      count: [] int32, of the generators.
      youngest: [n, n, words of n bits] uint32: the vertices k with which the
        edge {i, j} is the youngest of a triangle.
      at_cap: [words, E] uint32: generators whose cap is not before that of
        the edge.
      at_birth: [n, words, n] uint32: generators whose cap is not before the
        birth of the edge between the first and last index.
    """
    values: jax.Array
    events: jax.Array
    generators: jax.Array
    count: jax.Array  # type: ignore[assignment]  # not tuple's
    youngest: jax.Array
    at_cap: jax.Array
    at_birth: jax.Array


class Parts(NamedTuple):
    """An edge is a generator, or the sum of two others, or zero.

    Attributes:
      generator: [E] int32, number of the generator, G if it is none.
      first, second: [E] int32, edges, E if it is no sum.
    """
    generator: jax.Array
    first: jax.Array
    second: jax.Array


def prepare(words: int, lower: jax.Array, upper: jax.Array,
            mask: jax.Array) -> tuple[Order, Parts]:
    """(Order, Parts) of one barcode."""
    n = lower.shape[0]
    i, j, edge = edges_of(n)
    size = len(i)
    inside = mask[i] & mask[j]
    low, high = (
        # Floats that are not negative are in the order of their bits.
        jnp.where(inside, lax.bitcast_convert_type(m, jnp.int32)[i, j] & _LAST,
                  _LAST) for m in (lower, upper))
    values = jnp.concatenate([high, low])
    events = jnp.argsort(values, stable=True)
    rank = jnp.zeros_like(events).at[events].set(
        jnp.arange(2 * size, dtype=events.dtype), unique_indices=True)
    youngest, witness, has_witness = _triangles(
        jnp.append(rank[size:], 2 * size)[edge])
    inside = validity.pairs_of(mask)
    youngest = jnp.where(inside[:, :, None], youngest, 0)

    is_open = low < high  # the others are zero from their birth on
    is_generator = is_open & ~has_witness
    generators, number, count = _numbered(is_generator, events, rank, words)
    caps = jnp.where(jnp.arange(32 * words) < count, rank[generators], -1)
    alive = bitsets.pack_first(caps[:, None] >= rank[None, :])
    number = jnp.where(is_generator, jnp.minimum(number, 32 * words),
                       32 * words)
    rest = is_open & has_witness
    ends = (jnp.where(rest, jnp.asarray(edge)[end, witness], size)
            for end in (i, j))
    at_birth = rows_first(bitsets.at(alive[:, size:], edge[:, :n]))
    return (Order(values, events, generators, count, youngest,
                  alive[:, :size], at_birth), Parts(number, *ends))


def _triangles(rank):
    """rank [n, m] of the edges -> (youngest, witness [E], has_witness [E]).

    The witness is the one whose edges are oldest: so the sums are short.
    """
    n, m = rank.shape
    i, j, _ = edges_of(n)
    vertex = jnp.arange(m)

    def row(ranks):
        other = jnp.maximum(ranks[None, :], rank)  # [j, k]
        least = jnp.min(other * m + vertex[None, :], axis=1)
        return bitsets.pack(other < ranks[:n, None]), least

    youngest, least = map_rows(row, rank)
    least = least[i, j]
    return youngest, least % m, least // m < rank[i, j]


def map_rows(function: Callable, rows: Any) -> Any:
    """vmap over rows of [n, ...], as many at once as memory should hold."""
    n = jax.tree.leaves(rows)[0].shape[0]
    block = max(1, _BLOCK // n ** 2)
    if block >= n:
        return jax.vmap(function)(rows)
    return lax.map(function, rows, batch_size=block)


def rows_first(matrices: jax.Array) -> jax.Array:
    """[words, n, m] -> [n, words, m]"""
    return matrices.transpose(1, 0, 2)


def _numbered(is_generator, events, rank, words):
    """(generators [G], number [E], count []), the numbers in order of rank."""
    size = is_generator.shape[0]
    in_order = jnp.concatenate(
        [jnp.zeros(size, bool), is_generator])[events]
    up_to = jnp.cumsum(in_order, dtype=jnp.int32)
    places = bitsets.first_reaching(
        up_to, jnp.arange(1, 32 * words + 1, dtype=jnp.int32))
    generators = events[jnp.minimum(places, 2 * size - 1)] % size
    return generators, up_to[rank[size:]] - 1, up_to[-1]
