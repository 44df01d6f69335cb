"""Barcodes as differentiable JAX functions.

Source: Barannikov et al., Representation Topology Divergence, ICML 2022. The
doubled Vietoris-Rips complex of that paper has the homology of a pair of
complexes on the points themselves; `engines.host` says how that is computed.

The engine names the entries at which bars begin and end. `entries.entries_at`
reads these from the matrices, and that gather carries the gradient.
"""

from collections.abc import Sequence
import functools
from typing import NamedTuple

import jax
from jax import export, lax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax.topology import trees, validity
from topdis_jax.topology.engines import primitive
from topdis_jax.topology.entries import entries_at, weights_at


OK, INVALID, NO_CAPACITY = range(3)


class Barcode(NamedTuple):
    """The longest bars, longest first; births = deaths = 0 in unused places.

    Attributes:
      births: [..., num_bars] float.
      deaths: [..., num_bars] float.
      count: [...] int32, bars of positive length, which may be more than
        num_bars. If it is negative, all bars are NaN. -1: the matrices were
        not valid. Below -1: there were -count generators, more than the
        engine's capacity; raise that.
      status: [...] int32, what the count says: OK (0), INVALID (1): the
        matrices were not valid, or NO_CAPACITY (2).
    """
    births: jax.Array
    deaths: jax.Array
    count: jax.Array  # type: ignore[assignment]  # not tuple's

    @property
    def status(self) -> jax.Array:
        failed = jnp.where(self.count == -1, INVALID, NO_CAPACITY)
        return jnp.where(self.count < 0, failed, OK).astype(jnp.int32)


# So that a function that returns one can be exported and loaded.
export.register_namedtuple_serialization(
    Barcode, serialized_name='topdis_jax.topology.Barcode')


def relative_barcode(lower: ArrayLike, upper: ArrayLike, *,
                     mask: ArrayLike | None = None, num_bars: int | None = 50,
                     engine: str = 'auto',
                     capacity: int | None = None) -> Barcode:
    """Persistent homology of degree 1 of the pair (Rips(lower), Rips(upper)).

    An edge {i, j} is born at lower[i, j] as a class, triangles relate edges,
    and from upper[i, j] on the edge is zero. Every birth is an entry of
    `lower`, every death an entry of `lower` or `upper`; the gradient of a bar
    goes to these entries, half to [i, j] and half to [j, i].

    Works under jit, grad, jvp, hessian, vmap, scan, pmap and shard_map. Small
    changes move a bar with its entries, which are constant to autodiff: bars
    are piecewise linear in the matrices. The barcode is exact and
    deterministic: equal values are told apart by the edges' ends.

    Engines: 'host' is a compiled function. On a CPU, XLA calls it without any
    Python; an accelerator calls it by a callback. 'xla' is an array program,
    with the same bars and gradients, for at most 1024 points: it can be
    exported and needs no host, but on a CPU it takes some 14 times as long at
    n = 32 and 870 times at n = 256, and 1.5 * n^2 * capacity bytes for each
    barcode. 'auto' is chosen for the platform that a program is compiled for:
    'host' on a CPU, or if n > 128 (GPU) or 256 (TPU); else 'xla', as in all
    that is exported.

    Several barcodes of arrays that lie on several devices are shared out over
    the devices, under plain jit as well.

    Args:
      lower: [..., n, n] float32, symmetric, zero diagonal, not negative.
        Denormal numbers (below 1.2e-38) count as 0 and have no gradient.
      upper: [..., n, n], likewise, nowhere below `lower`.
      mask: [..., n] bool, the points that take part (all if None). The result
        is that of the matrices restricted to these points.
      num_bars: how many bars are returned. None for all: there are places
        for 4 n + 16. Where a matrix has more bars, all are NaN and the count
        says how many they are; outside of jit and vmap there are places for
        all. Clouds of few dimensions do not fill 4 n + 16 places, but nearly
        equidistant ones may: 512 random points on a sphere
        have 998 bars in 10 dimensions, 4007 in 1000.
      engine: 'auto', 'host' or 'xla'.
      capacity: edges that engine 'xla' has room for among those that may give
        a bar. 4 n if None, which clouds of few dimensions do not fill; nearly
        equidistant ones may, as do the edges between the two sides of a
        bipartite graph. Too small a one gives NaN, never a wrong bar.

    Returns:
      A Barcode. Traced values that are not valid (NaN, infinity, negative,
      asymmetric, lower > upper, diagonal not zero) make it NaN with count -1:
      nothing is raised inside a compiled function.

    Raises:
      ValueError: wrong shapes or options, or values that are not valid and
        not traced; `symmetrize` mends those that differ by rounding alone.
      TypeError: not floating.
    """
    given = lower, upper
    lower, upper = as_pair(lower, upper)
    whole_mask = validity.as_mask(mask, lower)
    validity.check_concrete(*given, mask=mask, ordered=True)
    engine = primitive.checked_engine(engine, lower.shape[-1], capacity)
    bars = barcodes_of((lower, upper), ((0, 1),), whole_mask, num_bars, engine)
    return Barcode(*(x[0] for x in bars))


def rips_barcode(dist: ArrayLike, *, mask: ArrayLike | None = None,
                 num_bars: int | None = None, engine: str = 'auto',
                 capacity: int | None = None) -> tuple[Barcode, Barcode]:
    """Vietoris-Rips persistent homology of one cloud, degrees 0 and 1.

    Over Z/2. Degree 0: all points are born at 0; components merge at the
    weights of a minimum spanning tree. One bar of degree 0 never ends: it is
    left out. Degree 1: all bars end.

    Degree 1 is relative homology, so that it has the engines, gradients and
    transforms of `relative_barcode`. With F_t the edges up to t of a minimum
    spanning tree F, F_t has no cycles and the components of Rips_t; hence
    H_1(Rips_t) = H_1(Rips_t, F_t) by the long exact sequence of the pair.

    >>> square = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1.],
    ...                    [1, 2, 1, 0]])
    >>> h0, h1 = rips_barcode(square)
    >>> h0.deaths, h1.births[:2], h1.deaths[:2]
    (Array([1., 1., 1.], dtype=float32), Array([1., 0.], dtype=float32), \
Array([2., 0.], dtype=float32))

    Args:
      dist: [..., n, n] float32, symmetric, zero diagonal, not negative. No
        triangle inequality is needed.
      mask: [..., n] bool, the points that take part (all if None). The result
        is that of the matrix restricted to these points.
      num_bars: bars that are returned of each degree, the longest. None for
        all, see `relative_barcode`.
      engine, capacity: see `relative_barcode`.

    Returns:
      (Barcode of degree 0, Barcode of degree 1), NaN for traced values that
      are not valid. Degree 0 has n - 1 places if num_bars is None. Bars of
      length 0, of coinciding points, are in no count.

    Raises:
      ValueError: wrong shapes or options, or values that are not valid and
        not traced. TypeError: not floating.
    """
    given = dist
    dist = flushed(validity.as_distances('dist', dist))
    whole_mask = validity.as_mask(mask, dist)
    validity.check_concrete(given, given, mask=mask, names=('dist', 'dist'))
    chosen = primitive.checked_engine(engine, dist.shape[-1], capacity)
    dist, edges, upper, count = with_tree(dist, whole_mask)
    bars = barcodes_of((dist, upper), ((0, 1),), whole_mask, num_bars, chosen)
    degree_1 = Barcode(*(x[0] for x in bars))
    return _degree_0(dist, edges, count, whole_mask, num_bars,
                     degree_1.count == -1), degree_1


@jax.jit
def with_tree(dist: jax.Array, mask: jax.Array
              ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The pair of matrices whose relative bars are H1 of one cloud.

    Args:
      dist: [..., n, n] float32.
      mask: [..., n] bool, the points that take part.

    Returns:
      (lower: dist with 0 for points that do not take part, edges [..., n - 1,
      2] of its minimum spanning tree, upper, [...] how many of these edges
      have a positive weight).
    """
    dist = jnp.where(validity.pairs_of(mask), dist, 0.0)
    return dist, *trees.tree_and_upper(dist, mask)


@functools.partial(jax.jit, static_argnums=4)
def _degree_0(dist, edges, count, mask, num_bars, invalid):
    """The Barcode of degree 0 by the edges of a spanning tree, ascending."""
    size = jnp.sum(mask, axis=-1, keepdims=True) - 1
    places = edges.shape[-2] if num_bars is None else num_bars
    place = jnp.broadcast_to(jnp.arange(places), (*size.shape[:-1], places))
    used = place < size
    # The longest first; of a tree with room for more edges, those in use.
    at = jnp.where(used, size - 1 - place, 0)
    if edges.shape[-2] == 0:
        deaths = jnp.zeros((*mask.shape[:-1], places), jnp.float32)
    else:
        longest = jnp.take_along_axis(edges, at[..., None], axis=-2)
        deaths = weights_at(dist, longest)
    deaths = jnp.where(used, deaths, 0.0)
    deaths = jnp.where(invalid[..., None], jnp.nan, deaths)
    births = jnp.where(invalid[..., None], jnp.nan, jnp.zeros_like(deaths))
    return Barcode(births, deaths, jnp.where(invalid, -1, count))


def barcodes_of(matrices: Sequence[jax.Array],
                pairs: tuple[tuple[int, int], ...], mask: jax.Array,
                num_bars: int | None, engine: primitive.Engine) -> Barcode:
    """The Barcode [pairs, ...]. Args: see primitive.pair_entries."""
    if num_bars is not None:
        num_bars = validity.check_count('num_bars', num_bars)
        return _some_bars(matrices, pairs, mask, num_bars, engine)
    places = 4 * mask.shape[-1] + 16
    if validity.is_traced(*map(lax.stop_gradient, matrices), mask):
        return _all_bars(matrices, pairs, mask, places, engine)
    # So much room that a second call is seldom; of few sizes, as each is
    # compiled.
    room = 4 * places
    bars = _all_bars(matrices, pairs, mask, room, engine)
    most = int(np.max(bars.count, initial=0))
    if most > room:
        bars = _all_bars(matrices, pairs, mask, 1 << most.bit_length(), engine)
    kept = slice(max(most, places))
    return Barcode(bars.births[..., kept], bars.deaths[..., kept], bars.count)


@functools.partial(jax.jit, static_argnums=(1, 3, 4))
def _all_bars(matrices, pairs, mask, places, engine):
    """The same, NaN where there are more bars than places."""
    bars = _some_bars(matrices, pairs, mask, places, engine)
    too_many = bars.count[..., None] > places
    return Barcode(*(jnp.where(too_many, jnp.nan, x) for x in bars[:2]),
                   bars.count)


@functools.partial(jax.jit, static_argnums=(1, 3, 4))
def _some_bars(matrices, pairs, mask, num_bars, engine):
    """Gathers the longest bars at the entries that the engine names.

    Compiled once, and not at each call outside of jit.
    """
    entries = _entries(tuple(map(lax.stop_gradient, matrices)),
                       mask, pairs, num_bars, engine)
    at_births, at_deaths, capped_at = _gather(matrices, pairs, entries)
    place = lax.broadcasted_iota(jnp.int32, at_births.shape,
                                 at_births.ndim - 1)
    used = place < entries.count[..., None]
    invalid = entries.count[..., None] < 0

    def fill(values):
        return jnp.where(invalid, jnp.nan, jnp.where(used, values, 0.0))

    deaths = jnp.where(entries.capped, capped_at, at_deaths)
    return Barcode(fill(at_births), fill(deaths), entries.count)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _entries(matrices, mask, pairs, num_bars, engine):
    """The engine's entries, which small changes of the matrices leave alone.

    The custom VJP around the engine says so: zeros. A bar's gradient is that
    of the gather (`_gather`), in every mode; the caller stops gradients here,
    as this has no rule for forward mode.
    """
    return primitive.pair_entries(matrices, pairs, mask, num_bars, engine)


def _entries_forward(matrices, mask, pairs, num_bars, engine):
    return _entries(matrices, mask, pairs, num_bars, engine), len(matrices)


def _entries_backward(pairs, num_bars, engine, matrices, cotangents):
    del pairs, num_bars, engine, cotangents
    return (None,) * matrices, None


_entries.defvjp(_entries_forward, _entries_backward)


def _gather(matrices, pairs, entries):
    """The values [pairs, ..., num_bars] at births, deaths and caps.

    One gather of each matrix, and so one scatter in the backward pass.
    """
    places = [[] for _ in matrices]
    for pair, (lower, upper) in enumerate(pairs):
        places[lower] += [(0, pair, entries.birth_edges[pair]),
                          (1, pair, entries.death_edges[pair])]
        places[upper] += [(2, pair, entries.death_edges[pair])]
    found = {}
    for matrix, wanted in zip(matrices, places):
        values = entries_at(matrix, [edges for *_, edges in wanted])
        found.update(zip([tuple(name) for *name, _ in wanted], values))
    return [jnp.stack([found[part, pair] for pair in range(len(pairs))])
            for part in range(3)]


def as_pair(first: ArrayLike, second: ArrayLike,
            names: tuple[str, str] = ('lower', 'upper'),
            rank: int | None = None) -> list[jax.Array]:
    """Both as float32 arrays of one shape [..., n, n]."""
    pair = [flushed(validity.as_distances(name, matrix, rank))
            for name, matrix in zip(names, (first, second))]
    if pair[0].shape != pair[1].shape:
        raise ValueError(f'{names[0]} and {names[1]} must have one shape, '
                         f'received {pair[0].shape} and {pair[1].shape}')
    return pair


@jax.jit
def flushed(matrix: jax.Array) -> jax.Array:
    """The matrix with 0 in place of denormal numbers.

    Some platforms' arithmetic takes them for 0 and some does not: whole
    numbers tell them alike on all.
    """
    bits = lax.bitcast_convert_type(lax.stop_gradient(matrix), jnp.int32)
    return jnp.where(bits & 0x7fffffff < 0x00800000, 0.0, matrix)
