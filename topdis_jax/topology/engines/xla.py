"""Persistent relative homology of degree 1 as an array program of fixed shape.

The same bars, entry by entry, as those of `host`, without a callback:
this can be exported, and runs where a callback stops a whole machine.

Only edges without witness (a vertex to which both ends have older edges) and
with lower < upper are generators; about n of the E = n (n - 1) / 2 edges. A
witness k of {i, j} says that {i, j} = {i, k} + {k, j} in homology, so that
each edge is a sum of generators: bits over Z/2, 32 to a word. Relations are
read off these sums: {i, j} + {j, k} + {i, k} = 0 from the youngest edge of a
triangle on, and {i, j} = 0 from upper[i, j] on, the cap of {i, j}.

Relations are taken in order of value. The first whose sum is not empty kills
the youngest generator in it: this ends a bar, and in all sums the generator
is replaced by the rest of the relation, which makes this relation, and most
of those to come, empty for good. Only relations that hold a generator whose
own cap has not come before can end a bar, so that few need be looked at: the
caps of the others, or what takes their place, make them empty in time.

Notation. Edges e = 0 .. E - 1 are the pairs i < j in lexical order. The event
e is the cap of e, the event E + e the birth of e with all triangles of which
it is the youngest edge. The `rank` of an event is its place in the order by
(value, event): caps come before triangles of equal value, as in `kernels`.
`sums` and other sets of generators are [words, ...] uint32.
"""

import functools

import jax
from jax import lax
from jax.custom_batching import custom_vmap
import jax.numpy as jnp
import numpy as np

from topdis_jax.topology import validity
from topdis_jax.topology.engines import bitsets
from topdis_jax.topology.engines.xla_generators import (
    edges_of, map_rows, prepare, rows_first)
from topdis_jax.topology.engines.host import Entries

MAX_POINTS = 1024  # n ** 3 must be less than 2 ** 31


def default_capacity(n: int) -> int:
    """Places for generators if none are given: never too few up to n = 16.

    Clouds in 3 to 1000 dimensions, n to 256, took at most 2.9 n.
    """
    return max(32, 4 * n)


def check(n: int, capacity: int | None) -> None:
    """Raises ValueError where barcode_entries does."""
    if n > MAX_POINTS:
        raise ValueError(f"received {n} points; engine 'xla' takes at most "
                         f"{MAX_POINTS}, use engine 'host'")
    if capacity is not None and capacity < 1:
        raise ValueError(f'capacity must be at least 1, received {capacity}')


def barcode_entries(lower: jax.Array, upper: jax.Array, mask: jax.Array,
                    num_bars: int, capacity: int | None = None) -> Entries:
    """The entries of many barcodes, in one loop for all of them.

    Works under jit, vmap (which makes one larger batch), scan, pmap and
    shard_map. What it does with values that are not valid is what
    `host.barcode_entries` does.

    Source: Bauer, Ripser, 2021, for the elimination of edges with a witness
    (its apparent pairs). Departures: homology instead of cohomology, the pair
    of complexes (see `host`), and sums of generators, all of which are
    updated at once.

    Args:
      lower, upper: [..., n, n] float32.
      mask: [..., n] bool.
      num_bars: places for each barcode.
      capacity: generators that there is room for, rounded up to a multiple of
        32; default_capacity(n) if None.

    Returns:
      Entries. A count below -1 says that there were -count generators, more
      than the capacity, so that the bars are not known.

    Raises:
      ValueError: more than 1024 points, or a capacity below 1.
    """
    n = lower.shape[-1]
    check(n, capacity)
    if capacity is None:
        capacity = default_capacity(n)
    words = -(-min(capacity, n * (n - 1) // 2) // 32)
    return _mapped(words, num_bars)(lower, upper, mask)


@functools.lru_cache(maxsize=None)
def _mapped(words, num_bars):
    """_batch, for which vmap means one more dimension of its batch: the rule
    for loops would run each step for each item, and choose afterwards."""
    @custom_vmap
    def run(lower, upper, mask):
        return _batch(lower, upper, mask, words, num_bars)

    @run.def_vmap
    def _(size, is_mapped, *args):
        args = (arg if mapped else jnp.broadcast_to(arg, (size, *arg.shape))
                for arg, mapped in zip(args, is_mapped))
        return run(*args), Entries(True, True, True, True)

    return run


@functools.partial(jax.jit, static_argnums=(3, 4))
def _batch(lower, upper, mask, words, num_bars):
    """Entries of [..., n, n], as items of one batch dimension."""
    n, batch = lower.shape[-1], lower.shape[:-2]
    size = int(np.prod(batch))
    args = (lower.reshape(size, n, n), upper.reshape(size, n, n),
            mask.reshape(size, n))
    valid = jax.vmap(_is_valid)(*args)
    if n < 2 or size == 0:
        edges = jnp.zeros((size, num_bars, 2), jnp.int32)
        entries = Entries(edges, edges, edges[..., 0] > 0,
                          jnp.zeros(size, jnp.int32))
    else:
        order, parts = jax.vmap(functools.partial(prepare, words))(*args)
        deaths = _deaths(order, parts)
        entries = jax.vmap(functools.partial(_longest, n, num_bars))(
            order, deaths)
    entries = _void(entries, valid)
    return Entries(*(x.reshape((*batch, *x.shape[1:])) for x in entries))


def _void(entries, valid):
    """Zeros where a count is negative or matrices are not valid."""
    count = jnp.where(valid, entries.count, -1)
    good = count >= 0
    return Entries(*(jnp.where(good.reshape(-1, *[1] * (x.ndim - 1)), x, 0)
                     for x in entries[:2]),
                   entries.capped & good[:, None], count)


def _is_valid(lower, upper, mask):
    """Whether a pair of matrices has none of the errors of relative_h1."""
    inside = validity.pairs_of(mask)
    good = (lower >= 0) & (lower <= upper) & (upper < jnp.inf)
    good &= (lower == lower.T) & (upper == upper.T)
    good &= (upper == 0) | ~np.eye(len(mask), dtype=bool)
    return jnp.all(good | ~inside)


def _resolve(parts, generators):
    """Sums [items, words, E] of all edges, if the generators [items, words, G]
    are sums themselves."""
    own = jax.vmap(bitsets.at)(generators, parts.generator)

    def step(state):
        sums, own, parts, _ = state
        new = (own ^ bitsets.at(sums, parts.first)
               ^ bitsets.at(sums, parts.second))
        return new, own, parts, jnp.any(new != sums)

    return _until_done(step, (own, own, parts), 4)[0]


def _until_done(step, state, at_once):
    """Runs a step of one item on all, until no item has more to do.

    Accelerators take some steps at once: to look whether an item has more to
    do, they wait for the host. A step of an item that has nothing to do must
    leave it as it is.
    """
    step = jax.jit(jax.vmap(step))  # traced once, not for each of the steps

    def several(*state):
        for _ in range(at_once):
            state = step(state)
        return state

    def turn(state):
        return lax.platform_dependent(
            *state, cpu=lambda *state: step(state), default=several)

    more = _true(state[0])
    return lax.while_loop(lambda state: jnp.any(state[-1]), turn,
                          (*state, more))[:-1]


def _true(words):
    """True for each item of [items, ...] uint32. No constant: under shard_map
    what a loop begins with must vary over the devices as what it makes."""
    return words.reshape(words.shape[0], -1)[:, 0] >= 0


def _deaths(order, parts):
    """Events [items, G] that end the bars of the generators.

    By turns: the first relations that are not empty, as many as there are
    places for, are written down, and then reduced.
    """
    def turn(state):
        generators, deaths, _ = state
        sums = _resolve(parts, generators)
        relations, events, more = jax.vmap(_first_relations)(order, sums)
        places = relations.shape[-1]
        sums, deaths, _ = _until_done(
            _kill, (jnp.concatenate([relations, generators], axis=-1), deaths,
                    events), 8)
        return sums[:, :, places:], deaths, more

    words = order.at_cap.shape[1]
    each = bitsets.single(jnp.arange(32 * words), words)
    generators = each[None] | (order.at_cap[:, :, :1] & 0)
    return lax.while_loop(lambda state: jnp.any(state[-1]), turn,
                          (generators, order.generators,
                           _true(generators)))[1]


def _first_relations(order, sums):
    """(relations [words, R], events [R], whether there are more)."""
    i, j, edge = (jnp.asarray(x) for x in edges_of(order.youngest.shape[0]))
    n, size = len(edge), len(i)
    places = min(max(256, 8 * n), size + n * (n - 1) * (n - 2) // 6)
    filled = _filled(order, sums)
    up_to = jnp.cumsum(bitsets.count(filled), dtype=jnp.int32)
    place = jnp.arange(places, dtype=jnp.int32)
    # Of all that come first, up_to[at - 1] <= place < up_to[at].
    at = jnp.minimum(bitsets.first_reaching(up_to, place + 1), 2 * size - 1)
    before = jnp.where(at > 0, up_to[at - 1], 0)
    k = bitsets.find(filled[at], place - before, n)
    events = order.events[at]
    e, is_cap = events % size, events < size
    relations = bitsets.at(sums, e)
    for end in (i[e], j[e]):
        relations ^= bitsets.at(sums, jnp.where(is_cap, size, edge[end, k]))
    return (jnp.where((place < up_to[-1])[None, :], relations, 0), events,
            up_to[-1] > places)


def _filled(order, sums):
    """The relations of each event that are not empty, in order of rank.

    [2 E, words of n bits]: bit k is the triangle with k; of a cap, bit 0.
    """
    i, j, edge = edges_of(order.youngest.shape[0])
    caps = bitsets.any_of(sums & order.at_cap)
    matrices = bitsets.at(sums, edge)

    def row(pair):  # [words, m] and [words, n] of one end i
        found = jnp.uint32(0)
        for own, alive, other in zip(*pair, matrices):
            sums = own[:len(alive), None] ^ own[None, :] ^ other  # [j, k]
            found |= sums & alive[:, None]
        return bitsets.pack(found != 0)

    triangles = map_rows(row, (rows_first(matrices), order.at_birth))
    triangles = (triangles & order.youngest)[i, j]
    caps = jnp.pad(caps.astype(jnp.uint32)[:, None],
                   ((0, 0), (0, triangles.shape[1] - 1)))
    return jnp.concatenate([caps, triangles])[order.events]


def _kill(state):
    """The first relation that is not empty ends a bar. Among the sums
    [words, R + G], the relations come before the generators."""
    sums, deaths, events, _ = state
    places = len(events)
    is_filled = bitsets.any_of(sums[:, :places])
    first = jnp.argmax(is_filled)
    more = is_filled[first]
    relation = jnp.where(more, sums[:, first], 0)
    victim = bitsets.highest(relation)
    has_victim = bitsets.contains(sums, victim)
    sums ^= jnp.where(has_victim[None, :], relation[:, None], 0)
    deaths = jnp.where(jnp.arange(len(deaths)) == victim, events[first],
                       deaths)
    return sums, deaths, events, more


def _longest(n, num_bars, order, deaths):
    """Entries of one barcode, longest first and then oldest first."""
    i, j, _ = (jnp.asarray(x) for x in edges_of(n))
    size, room = len(i), len(deaths)
    births = order.generators
    born, dead = order.values[size + births], order.values[deaths]
    is_bar = (dead > born) & (jnp.arange(room) < order.count)
    length = (lax.bitcast_convert_type(dead, jnp.float32)
              - lax.bitcast_convert_type(born, jnp.float32))
    order_of_bars = jnp.argsort(jnp.where(is_bar, -length, 1), stable=True)
    kept = order_of_bars[:num_bars]
    is_bar_kept = is_bar[kept]

    def ends(edges):
        pair = jnp.stack([i[edges[kept]], j[edges[kept]]], axis=-1)
        return _padded(jnp.where(is_bar_kept[:, None], pair, 0), num_bars)

    count = jnp.where(order.count > room, -order.count, jnp.sum(is_bar))
    return Entries(
        ends(births), ends(deaths % size),
        _padded((deaths < size)[kept] & is_bar_kept, num_bars),
        count.astype(jnp.int32))


def _padded(array, rows):
    return jnp.pad(array, [(0, rows - array.shape[0])]
                   + [(0, 0)] * (array.ndim - 1))
