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
Where that takes too long, as for clouds that have little in common, homology
takes its place: triangles and caps in the order of their values, but only
those that do not follow from earlier ones. `kernels` has both.
"""

from collections.abc import Callable
import concurrent.futures
import math
import os
import threading
from typing import Any, NamedTuple

from jax.typing import ArrayLike
from llvmlite import binding as llvm
import numba
import numpy as np

from topdis_jax.topology import validity
from topdis_jax.topology.engines import numba_cache
from topdis_jax.topology.engines.kernels import edges, engine
from topdis_jax.topology.engines.kernels.source_hash import SOURCE_HASH

# Entries of all matrices below which handing work to threads costs more time
# than it saves.
_THREAD_ENTRIES = 8192
# From so many points on, a barcode may take longer than one waits for Ctrl-C.
_LONG_POINTS = 1024
# What tells the engine to stop, where nothing does.
_GO_ON = np.zeros(1, np.int32)
_FLOAT32 = np.dtype(np.float32)


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
    count: np.ndarray  # type: ignore[assignment]  # not tuple's


class Bars(NamedTuple):
    """All bars of positive length, longest first; see Entries."""
    births: np.ndarray
    deaths: np.ndarray
    birth_edges: np.ndarray
    death_edges: np.ndarray
    capped: np.ndarray


def relative_h1(lower: ArrayLike, upper: ArrayLike) -> Bars:
    """All bars of the pair (Rips(lower), Rips(upper)) in degree 1, over Z/2.

    >>> lower = np.array([[0., 1.], [1., 0.]])
    >>> relative_h1(lower, 3 * lower)[:2]  # one edge, its own cap ends it
    (array([1.], dtype=float32), array([3.], dtype=float32))

    With lower = min(x, y) and upper = x, these are the bars of positive
    length of the R-Cross-Barcode of two clouds with distances x and y
    (Barannikov et al., ICML 2022).

    Args:
      lower: [n, n] real, symmetric, zero diagonal, not negative, finite.
      upper: [n, n], likewise, nowhere below `lower`. Both are rounded to
        float32, which keeps their order.

    Returns:
      Bars (births [b], deaths [b], birth_edges [b, 2], death_edges [b, 2],
      capped [b]). Bars of equal length are in the order of their births, by
      value and then by the edge (i, j), i < j.

    Raises:
      ValueError: wrong shapes or types, or a value that is not valid; names
        the first bad entry.
    """
    first: Any = lower
    second: Any = upper
    if not (_is_ready(first) and _is_ready(second)
            and len(first) == len(second)):
        first, second = _made_ready(lower, upper)
    places = 16 * len(first) + 64  # seldom too few
    found = _bars_of_pair(first, second, places)
    count = found[1]
    if count < 0:
        validity.explain({'lower': np.asarray(lower),
                          'upper': np.asarray(upper)}, ordered=True)
    if count > places:
        found = _bars_of_pair(first, second, count)
    return Bars(*found[2:])


def _is_ready(matrix):
    """Whether compiled code can take it as it is.

    The usual case is found out first: a small barcode takes 10 microseconds,
    and other checks take half as long.
    """
    return (type(matrix) is np.ndarray and matrix.dtype is _FLOAT32
            and matrix.ndim == 2 and len(matrix) == matrix.shape[1]
            and matrix.flags.carray)


def _made_ready(lower, upper):
    received = real_matrix('lower', lower), real_matrix('upper', upper)
    if received[0].shape != received[1].shape:
        raise ValueError('lower and upper must have one shape, received '
                         f'{received[0].shape} and {received[1].shape}')
    return [_writable(np.ascontiguousarray(_float32(matrix)))
            for matrix in received]


def _writable(array):
    """The array, or a copy if it is read-only: another type to the compiler,
    of which a call takes longer."""
    return array if array.flags.writeable else array.copy()


def _bars_of_pair(lower, upper, places):
    """(1, count, *Bars) of [n, n] float32: as many bars as have places.

    A small barcode takes 10 microseconds, and so the compiled code makes the
    arrays.
    """
    warm_up()
    compiled, n = _state['bars_of_pair'], len(lower)
    if n < _LONG_POINTS:
        return _checked(compiled(lower, upper, places, _GO_ON), n)
    _check_points(n)
    found, stop = [], np.zeros(1, np.int32)

    def run(first, last):
        found.append(_checked(compiled(lower, upper, places, stop), n))

    if threading.current_thread() is threading.main_thread():
        _share_out_and_wait(run, 1, 1, stop)
    else:
        run(0, 1)
    return found[0]


def _check_points(n):
    if n > edges.MAX_POINTS:
        raise ValueError(f'received {n} points; barcodes are made for at most '
                         f'{edges.MAX_POINTS}, take a sample of them')


def _checked(result, n):
    """The result, whose first part says whether memory sufficed."""
    if not result[0]:
        raise MemoryError(f'barcodes of {n} points')
    return result


def barcode_entries(lower: np.ndarray, upper: np.ndarray,
                    mask: np.ndarray | None, num_bars: int,
                    threads: int | None = None,
                    effort: float = engine.EFFORT) -> Entries:
    """The entries of many barcodes, shared out over threads.

    Never raises on values: this is what a compiled step calls. Consecutive
    barcodes with the same `lower` and mask share the search for candidates.

    Args:
      lower, upper: [..., n, n] float32; leading dimensions are broadcast.
      mask: [..., n] bool or None; the result is that of the matrices
        restricted to these points, with their numbers in the whole. Other
        entries are not looked at.
      num_bars: places for each barcode.
      threads: at most so many; as many as there are cores if None.
      effort: which way the engine takes, see `kernels`; the results are
        the same.

    Returns:
      Entries.

    Raises:
      ValueError: more than 32768 points.
    """
    n = lower.shape[-1]
    mask = np.ones(n, bool) if mask is None else mask
    batch = lower.shape[:-2]
    if not batch == upper.shape[:-2] == mask.shape[:-1]:
        batch = np.broadcast_shapes(batch, upper.shape[:-2], mask.shape[:-1])
    entries = _all_entries(
        _items(lower, batch, (n, n)), _items(upper, batch, (n, n)),
        _items(mask, batch, (n,)), num_bars, threads or cores(), effort)
    return Entries(*(x.reshape((*batch, *x.shape[1:])) for x in entries))


def _items(array, batch, shape):
    """[items, *shape], C-contiguous and writable."""
    if array.shape != batch + shape:
        array = np.broadcast_to(array, batch + shape)
    items = np.ascontiguousarray(array).reshape(math.prod(batch), *shape)
    return _writable(items)


def _all_entries(lower, upper, mask, num_bars, threads, effort):
    """Entries of items as _items makes them."""
    items, n = mask.shape
    _check_points(n)
    entries = Entries(np.zeros((items, num_bars, 2), np.int32),
                      np.zeros((items, num_bars, 2), np.int32),
                      np.zeros((items, num_bars), bool),
                      np.zeros(items, np.int32))
    call, stop = warm_up(), np.zeros(1, np.int32)

    def run(first, last):
        _checked((call(lower, upper, mask, first, last, effort, stop,
                       *entries),), n)

    if n >= _LONG_POINTS and (
            threading.current_thread() is threading.main_thread()):
        _share_out_and_wait(run, items, threads, stop)
    elif items == 1 or upper.size < _THREAD_ENTRIES:
        run(0, items)
    else:
        _share_out(run, items, threads)
    return entries


def _share_out_and_wait(run, items, threads, stop):
    """run(item, item + 1) for each item, by helpers alone.

    The main thread hears of Ctrl-C while it waits; compiled code does not.
    """
    waiting = iter(range(items))

    def work():
        for item in waiting:
            run(item, item + 1)

    try:
        helpers = [_pool().submit(work) for _ in range(min(threads, items))]
        for helper in helpers:
            helper.result()
    except BaseException:
        stop[0] = 1
        raise


def _share_out(run, items, threads):
    """run(item, item + 1) for each item, in this thread and helpers."""
    waiting = iter(range(items))

    def work():
        # next() of an iterator is atomic under the interpreter's lock.
        for item in waiting:
            run(item, item + 1)

    helpers = [_pool().submit(work) for _ in range(min(threads, items) - 1)]
    work()
    for helper in helpers:
        # One that never started has nothing left to do. So a pool that other
        # callers keep busy delays nobody.
        if not helper.cancel():
            helper.result()


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_lock = threading.RLock()
_state: dict[str, Any] = {}


def _pool():
    with _lock:
        if 'pool' not in _state:
            _state['pool'] = concurrent.futures.ThreadPoolExecutor(
                cores(), thread_name_prefix='persistence')
        return _state['pool']


def _after_fork():
    """A child has none of the threads, and perhaps a lock that none holds."""
    global _lock
    _lock = threading.RLock()
    _state.pop('pool', None)


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_after_fork)


def warm_up() -> Callable:
    """Compiles the engine, or loads what an earlier process compiled.

    Called by the first barcode, if not before. What it compiles it says on
    standard error. Returns the compiled `engine.call`.
    """
    if 'call' not in _state:
        with _lock:
            if 'call' not in _state:
                _state['call'] = numba_cache.load_or_compile(_engine_and_call)
    return _state['call']


def _engine_and_call(cache):
    # Kept as long as the process: the machine code goes with it.
    _state['engine'] = made = numba.cfunc(
        engine.ENGINE_SIGNATURE, cache=cache)(engine.make(SOURCE_HASH))
    llvm.add_symbol(engine.ENGINE_NAME, made.address)
    call = numba.njit(nogil=True, cache=cache)(engine.call)
    call.compile(engine.CALL_SIGNATURE)
    bars_of_pair = numba.njit(nogil=True, cache=cache)(engine.bars_of_pair)
    bars_of_pair.compile(engine.PAIR_SIGNATURE)
    _state['bars_of_pair'] = bars_of_pair
    return call


def real_matrix(name: str, matrix: ArrayLike) -> np.ndarray:
    """The matrix as an array, if its shape and type are right."""
    matrix = np.asarray(matrix)
    validity.check_square(name, matrix, rank=2)
    if matrix.dtype.kind not in 'fiu':
        raise ValueError(f'{name} must hold real numbers, received dtype '
                         f'{matrix.dtype}; convert it to float32')
    return matrix


def _float32(matrix):
    if matrix.dtype == np.float32:
        return matrix
    with np.errstate(over='ignore'):  # infinity: no longer valid
        return matrix.astype(np.float32)
