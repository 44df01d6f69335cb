"""Barcodes of many pairs of matrices."""

import numpy as np

from topdis_jax.topology.engines.kernels.candidates import candidates_of
from topdis_jax.topology.engines.kernels.cohomology import cohomology
from topdis_jax.topology.engines.kernels.decorators import inlined_once, njit
from topdis_jax.topology.engines.kernels.edges import (
    edge_keys, ends_of, NO_SIGN, value_of)
from topdis_jax.topology.engines.kernels.homology import homology
from topdis_jax.topology.engines.kernels.limits import moves_of
from topdis_jax.topology.engines.kernels.matrices import (
    is_alike, is_valid, restrict)
from topdis_jax.topology.engines.kernels.sorting import sort


@inlined_once
def barcodes(lower, upper, mask, first, last, effort, stop, birth_edges,
             death_edges, capped, values, counts):
    """Barcodes of the items first .. last - 1, into the five last arrays.

    Consecutive items with the same lower matrix and mask share what depends on
    these alone, and belong to the one that comes first.

    Args:
      lower, upper: [items, n, n] float32. mask: [items, n] bool.
      effort: `engine.EFFORT`, or another multiple of `limits`; 0 for
        `homology` alone.
      stop: [1] int32; soon after it is not 0 any more, this returns, with
        counts of -1.
      birth_edges, death_edges: [items, num_bars, 2] int32, zero.
      capped: [items, num_bars] bool, False.
      values: [items, num_bars, 2] float32, births and deaths; or with 0 in
        place of num_bars, if they are not wanted.
      counts: [items] int32.
    """
    for item in range(first, last):
        if item == 0 or not is_alike(lower, mask, item - 1, item):
            end = item + 1
            while end < lower.shape[0] and is_alike(lower, mask, item, end):
                end += 1
            _barcodes_of_one_lower(
                lower[item], upper[item:end], np.flatnonzero(mask[item]),
                effort, stop, birth_edges[item:end], death_edges[item:end],
                capped[item:end], values[item:end], counts[item:end])


@inlined_once
def _barcodes_of_one_lower(lower, uppers, points, effort, stop, birth_edges,
                           death_edges, capped, values, counts):
    if points.size < lower.shape[0]:
        lower, uppers = restrict(lower, uppers, points)
    valid = np.empty(uppers.shape[0], np.bool_)
    for item in range(uppers.shape[0]):
        valid[item] = is_valid(lower, uppers[item])
    if not valid.any():
        counts[:] = -1
        return
    keys = edge_keys(lower)
    candidates = candidates_of(lower, uppers, keys)
    for item in range(uppers.shape[0]):
        counts[item] = -1
        if valid[item]:
            moves, growth, most = moves_of(
                effort, candidates, uppers[item].view(np.int32))
            found, bars = cohomology(keys, uppers[item], candidates, moves,
                                     growth, most, stop)
            if not found:
                bars = homology(lower, uppers[item], keys, candidates, stop)
            if stop[0]:
                return
            counts[item] = bars.shape[0]
            _write(bars, points, birth_edges[item], death_edges[item],
                   capped[item], values[item])


@njit
def _write(bars, points, birth_edges, death_edges, capped, values):
    """The longest bars, as many as there are places."""
    order = np.empty(bars.shape[0], np.int64)
    length = np.empty(1, np.float32)
    for b in range(order.size):
        length[0] = value_of(bars[b, 0]) - value_of(bars[b, 2])
        # Longest first, then the oldest, which is the last.
        order[b] = ((NO_SIGN - np.int64(length.view(np.int32)[0])) << 32
                    | (order.size - b))
    order = sort(order)
    for place in range(min(capped.size, order.size)):
        b = order.size - (order[place] & 0xFFFFFFFF)
        key, tie, birth = bars[b, 0], bars[b, 1], bars[b, 2]
        capped[place] = key & 0xFFFFFFFF == 0
        i, j = ends_of(birth)
        birth_edges[place, 0], birth_edges[place, 1] = points[i], points[j]
        i, j = ends_of(tie if capped[place] else key)
        death_edges[place, 0], death_edges[place, 1] = points[i], points[j]
        if values.shape[0]:
            values[place, 0], values[place, 1] = value_of(birth), value_of(key)
