"""Persistent relative homology of degree 1, on the host. NumPy in and out.

For a pair of Vietoris-Rips filtrations with lower <= upper, over Z/2: an edge
is born as a class at its lower value, a triangle relates its edges from the
largest of their lower values on, and an edge is zero from its upper value on.
This is the homology of degree 1 of the doubled complex by which Barannikov et
al. (Representation Topology Divergence, ICML 2022) define the
R-Cross-Barcode: that complex is the mapping cone of the inclusion of
Rips(upper) in Rips(lower).

The algorithm is implicit persistent cohomology (Bauer, Ripser, 2021) on the
pair. Only edges that are nowhere the youngest edge of a triangle can give a
bar, and what comes after an edge's own upper value plays no part in its bar.
"""

import concurrent.futures
import functools
import os
import sys
from typing import NamedTuple

import numpy as np

from topdis_jax.topology import kernels

# Below this many points a barcode takes less time than a thread's start.
_THREAD_POINTS = 48


class Entries(NamedTuple):
    """Where bars begin and end, longest first.

    Attributes:
      birth_edges: [..., num_bars, 2] int32; a birth is lower at this entry.
      death_edges: [..., num_bars, 2] int32.
      capped: [..., num_bars] bool; a death is upper at this entry if True,
        else lower.
      count: [...] int32, bars of positive length; -1 for matrices that are
        not valid. Places beyond it hold (0, 0) and False.
    """
    birth_edges: np.ndarray
    death_edges: np.ndarray
    capped: np.ndarray
    count: np.ndarray


class Bars(NamedTuple):
    """All bars of positive length, longest first; see Entries."""
    births: np.ndarray
    deaths: np.ndarray
    birth_edges: np.ndarray
    death_edges: np.ndarray
    capped: np.ndarray


def relative_h1(lower, upper):
    """All bars of the pair (Rips(lower), Rips(upper)).

    >>> lower = np.array([[0., 1.], [1., 0.]])
    >>> relative_h1(lower, 3 * lower)[:2]  # one edge, its own cap kills it
    (array([1.], dtype=float32), array([3.], dtype=float32))

    Args:
      lower: [n, n] real, symmetric, zero diagonal, not negative.
      upper: [n, n], likewise, nowhere below `lower`. Both are taken in
        float32.

    Returns:
      Bars (births [b], deaths [b], birth_edges [b, 2], death_edges [b, 2],
      capped [b]). Bars of equal length are in the order of the entry's value
      and place, the younger birth first.

    Raises:
      ValueError: a matrix that is not valid; names the first bad entry.
    """
    lower, upper = _valid('lower', lower), _valid('upper', upper)
    if lower.shape != upper.shape:
        raise ValueError('lower and upper must have one shape, received '
                         f'{lower.shape} and {upper.shape}')
    _require(lower <= upper, 'lower must not exceed upper', lower=lower,
             upper=upper)
    n = lower.shape[0]
    # No more bars than edges; few of them are ever used.
    entries = barcode_entries(lower, upper, None, max(n * (n - 1) // 2, 1))
    used = slice(int(entries.count))
    births = tuple(entries.birth_edges[used].T)
    deaths = tuple(entries.death_edges[used].T)
    capped = entries.capped[used]
    return Bars(lower[births], np.where(capped, upper[deaths], lower[deaths]),
                entries.birth_edges[used], entries.death_edges[used], capped)


def barcode_entries(lower, upper, mask, num_bars, threads=None):
    """The entries of many barcodes, shared out over threads.

    Never raises on values: this is what a compiled step calls.

    Args:
      lower, upper: [..., n, n] float32; leading dimensions are broadcast.
      mask: [..., n] bool or None; the result is that of the matrices
        restricted to these points, with their numbers in the whole.
      num_bars: places for each barcode.
      threads: at most so many; as many as there are cores if None.

    Returns:
      Entries.
    """
    n = lower.shape[-1]
    mask = np.ones(n, bool) if mask is None else mask
    batch = np.broadcast_shapes(lower.shape[:-2], upper.shape[:-2],
                                mask.shape[:-1])
    lower = _items(lower, batch, (n, n))
    upper = _items(upper, batch, (n, n))
    mask = _items(mask, batch, (n,))
    groups = _groups(lower, mask)
    found = _map(lambda group: _run_group(group, lower, upper, mask, num_bars),
                 groups, threads, n)
    entries = Entries(np.empty((len(lower), num_bars, 2), np.int32),
                      np.empty((len(lower), num_bars, 2), np.int32),
                      np.empty((len(lower), num_bars), bool),
                      np.empty(len(lower), np.int32))
    for group, part in zip(groups, found):
        for whole, values in zip(entries, part):
            whole[group] = values
    return Entries(*(x.reshape((*batch, *x.shape[1:])) for x in entries))


def _items(array, batch, shape):
    """[items, *shape], read-only.

    Always: a read-only array is another type to the compiler, and what comes
    from a callback is read-only.
    """
    items = np.broadcast_to(array, (*batch, *shape))
    items = np.ascontiguousarray(items).reshape(-1, *shape)
    items.flags.writeable = False
    return items


def _run_group(group, lower, upper, mask, num_bars):
    part = Entries(np.zeros((len(group), num_bars, 2), np.int32),
                   np.zeros((len(group), num_bars, 2), np.int32),
                   np.zeros((len(group), num_bars), bool),
                   np.zeros(len(group), np.int32))
    uppers = _items(upper[group], (len(group),), upper.shape[1:])
    kernels.barcodes(lower[group[0]], uppers, mask[group[0]], num_bars, *part)
    return part


def _groups(lower, mask):
    """Items with one lower matrix and one mask: they share its order."""
    groups = []
    for item in range(len(lower)):
        # Among the last few; a batch of many pairs has many matrices.
        for group in groups[-3:]:
            if (np.array_equal(lower[group[0]], lower[item])
                    and np.array_equal(mask[group[0]], mask[item])):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _map(function, groups, threads, n):
    """[function(group)], the longest groups first, this thread included."""
    threads = threads or _cores()
    if threads == 1 or len(groups) == 1 or n < _THREAD_POINTS:
        return [function(group) for group in groups]
    order = sorted(range(len(groups)), key=lambda g: -len(groups[g]))
    waiting = iter(order)
    results = [None] * len(groups)

    def work():
        # next() on one iterator is atomic under the lock of the interpreter.
        for g in waiting:
            results[g] = function(groups[g])

    helpers = [_pool().submit(work)
               for _ in range(min(threads, len(groups)) - 1)]
    work()
    for helper in helpers:
        # One that never started has nothing left to do.
        if not helper.cancel():
            helper.result()
    return results


def _cores():
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool():
    return concurrent.futures.ThreadPoolExecutor(
        _cores(), thread_name_prefix='persistence')


def warm_up():
    """Compiles the engine, or loads what an earlier process compiled."""
    if not kernels.barcodes.signatures:
        print('Loading the persistence engine (the first time it is compiled, '
              'which takes about half a minute)', file=sys.stderr, flush=True)
    square = np.zeros((2, 2), np.float32)
    barcode_entries(square, square, None, 1)


def _valid(name, matrix):
    """The matrix in float32, or a ValueError that names the bad entry."""
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f'{name} must have shape [n, n], received {matrix.shape}')
    if matrix.dtype.kind not in 'fiu':
        raise ValueError(f'{name} must hold real numbers, received '
                         f'{matrix.dtype}')
    with np.errstate(over='ignore'):
        matrix = np.ascontiguousarray(matrix, np.float32)
    _require(np.isfinite(matrix), f'{name} must be finite', **{name: matrix})
    _require(matrix >= 0, f'{name} must not be negative', **{name: matrix})
    _require(matrix == matrix.T, f'{name} must be symmetric',
             **{name: matrix, 'its transpose': matrix.T})
    _require((matrix == 0) | ~np.eye(len(matrix), dtype=bool),
             f"{name}'s diagonal must be zero", **{name: matrix})
    return matrix


def _require(holds, message, **matrices):
    if not np.all(holds):
        i, j = np.argwhere(~holds)[0]
        entries = ', '.join(
            f'{name}[{i}, {j}] = {m[i, j]}' for name, m in matrices.items())
        raise ValueError(f'{message}, received {entries}')
