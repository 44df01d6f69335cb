"""The engine as XLA calls it, with XLA's own buffers.

XLA calls a C function with the address of a call frame, whose binary layout is
stable: see xla/ffi/api/c_api.h in the folder that jax.ffi.include_dir() names.
"""

from collections.abc import Callable
import os

from llvmlite import ir
import numba
from numba import extending
import numpy as np

from topdis_jax.topology.engines.kernels.arrays import (
    bool_at, float32_at, int32_at, int64_at)
from topdis_jax.topology.engines.kernels.decorators import inlined_once, njit
from topdis_jax.topology.engines.kernels.engine import compiled_engine, EFFORT
from topdis_jax.topology.engines.kernels.trees import (
    spanning_tree, upper_of_tree)

# Places of the fields that are needed, in bytes: of XLA_FFI_CallFrame,
_EXTENSION, _API, _STAGE = 8, 16, 32
_NUM_ARGS, _ARGS, _NUM_RESULTS, _RESULTS = 56, 72, 96, 112
# of XLA_FFI_Buffer,
_DATA, _RANK, _SIZES = 24, 32, 40
# of XLA_FFI_Metadata_Extension, of XLA_FFI_Metadata (the version, which the
# traits follow), and of XLA_FFI_Api.
_METADATA, _VERSION, _API_VERSION = 24, 24, 32
_EXECUTE = 3  # a stage

HANDLER_SIGNATURE = numba.types.intp(numba.types.intp)
# With fewer points, to start a thread costs more than it saves.
_THREAD_POINTS = 192


def make(source_hash: int) -> Callable[[int], int]:
    """Returns the function that Numba compiles as the handler: `_handle`.

    source_hash: see there.
    """
    def run(frame):
        _ = source_hash  # thus a closure variable
        return _handle(frame)

    return run


@inlined_once
def _handle(frame):
    """XLA_FFI_Error* (XLA_FFI_CallFrame*): barcodes or trees of all items.

    Of two arguments, distances [..., n, n] float32 and a mask [..., n] bool,
    the edges [..., n - 1, 2] int32 of spanning trees, see `spanning_tree`,
    and, if these are not all results, the others of
    `topology.trees.tree_and_upper`. Else barcodes. Arguments: lower and upper
    of each pair, [..., n, n] float32, one mask [..., n] bool for all pairs,
    and [] int32, how many threads may work. Results: birth_edges, death_edges
    [pairs, ..., num_bars, 2] int32, capped [pairs, ..., num_bars] bool and
    counts [pairs, ...] int32, see `barcodes`. The error is always null.
    """
    extension = _word(frame + _EXTENSION)
    if extension:  # XLA asks which version of the interface this is made for
        _describe(_word(extension + _METADATA), _word(frame + _API))
    elif int32_at(frame + _STAGE, 1)[0] == _EXECUTE:
        if _word(frame + _NUM_ARGS) == 2:
            _execute_trees(frame)
        else:
            _execute(frame)
    return 0


@njit
def _word(address):
    return int64_at(address, 1)[0]


@njit
def _describe(metadata, api):
    """Says: this very version, and no special traits.

    The fields above are where they are in all versions 0.x, and XLA refuses
    another major version than its own.
    """
    version = int32_at(metadata + _VERSION, 3)
    version[0], version[1] = 0, int32_at(api + _API_VERSION, 2)[1]
    version[2] = 0


@njit
def _execute(frame):
    args, results = _word(frame + _ARGS), _word(frame + _RESULTS)
    pairs = (_word(frame + _NUM_ARGS) - 2) // 2
    items, n = _shape(_word(args + 16 * pairs))
    births, deaths, capped, counts = _results(results, pairs * items)
    counts[:] = -1  # stays so if memory does not suffice
    births[:], deaths[:], capped[:] = 0, 0, False
    threads = 1
    if n >= _THREAD_POINTS:
        threads = int32_at(_word(_word(args + 16 * pairs + 8) + _DATA), 1)[0]
    _share_out(frame, pairs * items, threads)


@njit
def _execute_trees(frame):
    args, results = _word(frame + _ARGS), _word(frame + _RESULTS)
    items, n = _shape(_word(args + 8))
    dist = float32_at(_word(_word(args) + _DATA), (items, n, n))
    mask = bool_at(_word(_word(args + 8) + _DATA), (items, n))
    edges = int32_at(_word(_word(results) + _DATA), (items, n - 1, 2))
    edges[:] = 0
    is_all = _word(frame + _NUM_RESULTS) == 1
    weights, reach, closed = np.empty((3, n), np.float32)
    parent = np.empty(n, np.int32)
    for item in range(items):
        spanning_tree(dist[item], mask[item], edges[item], weights, reach,
                      closed, parent)
        if not is_all:
            upper = _word(_word(results + 8) + _DATA) + 4 * item * n * n
            count = _word(_word(results + 16) + _DATA) + 4 * item
            int32_at(count, 1)[0] = upper_of_tree(
                dist[item], edges[item], float32_at(upper, (n, n)))


@njit
def _results(results, items):
    """The results as arrays with one dimension for pairs and items."""
    births, deaths = _word(results), _word(results + 8)
    capped, counts = _word(results + 16), _word(results + 24)
    num_bars = _shape(capped)[1]
    return (int32_at(_word(births + _DATA), (items, num_bars, 2)),
            int32_at(_word(deaths + _DATA), (items, num_bars, 2)),
            bool_at(_word(capped + _DATA), (items, num_bars)),
            int32_at(_word(counts + _DATA), items))


@njit
def _share_out(frame, units, threads):
    """Computes all items of all pairs, by this thread and others, and waits.

    The threads are its own: XLA's may all be busy with handlers that wait.
    """
    task = np.array([0, frame])  # the next unit
    address, entry = task.ctypes.data, _entry()
    helpers = np.empty(max(0, min(threads, units) - 1), np.int64)
    started = 0
    while started < helpers.size and _start(
            helpers.ctypes.data + 8 * started, 0, entry, address) == 0:
        started += 1
    _enter(entry, address)
    for helper in helpers[:started]:
        _join(helper, 0)
    return task[0]  # keeps the task until here


def _work(task):
    """Takes items, each of one pair, until there are no more."""
    frame = _word(task + 8)
    args, results = _word(frame + _ARGS), _word(frame + _RESULTS)
    pairs = (_word(frame + _NUM_ARGS) - 2) // 2
    mask = _word(args + 16 * pairs)
    items, n = _shape(mask)
    births, deaths, capped, counts = _results(results, pairs * items)
    stop = np.zeros(1, np.int32)
    while True:
        unit = _next(task)
        if unit >= pairs * items:
            return
        pair, item = unit // items, unit % items
        lower, upper = _word(args + 16 * pair), _word(args + 16 * pair + 8)
        begin, end = pair * items, (pair + 1) * items
        compiled_engine(
            _word(lower + _DATA), _word(upper + _DATA), _word(mask + _DATA),
            items, n, item, item + 1, EFFORT, stop.ctypes.data,
            births[begin:end].ctypes.data, deaths[begin:end].ctypes.data,
            capped[begin:end].ctypes.data, capped.shape[1], 0, 0,
            counts[begin:end].ctypes.data)


@extending.intrinsic
def _next(context, address):
    """Fetches and increments the integer there, of all threads as one."""
    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        return builder.atomic_rmw(
            'add', builder.inttoptr(args[0], word.as_pointer()), word(1),
            'seq_cst')
    return numba.int64(numba.intp), generate


@extending.intrinsic
def _entry(context):
    """The address of _work as pthread_create calls it: void* (*)(void*)."""
    def generate(context, builder, signature, args):
        pointer, work = ir.IntType(8).as_pointer(), numba.void(numba.intp)
        entry = ir.Function(builder.module, ir.FunctionType(
            pointer, [pointer]), builder.module.get_unique_name('entry'))
        entry.linkage = 'internal'
        entry.attributes.add('noinline')  # one copy takes less time to compile
        inside = ir.IRBuilder(entry.append_basic_block())
        compiled = context.compile_subroutine(inside, _work, work)
        # An error has no one to go to. Counts of -1 remain.
        context.call_internal_no_propagate(
            inside, compiled.fndesc, work,
            [inside.ptrtoint(entry.args[0], ir.IntType(64))])
        inside.ret(pointer(None))
        return builder.ptrtoint(entry, ir.IntType(64))
    return numba.intp(), generate


@extending.intrinsic
def _enter(context, entry, task):
    """Calls what lies at the address that _entry gives."""
    def generate(context, builder, signature, args):
        pointer = ir.IntType(8).as_pointer()
        entry = builder.inttoptr(
            args[0], ir.FunctionType(pointer, [pointer]).as_pointer())
        builder.call(entry, [builder.inttoptr(args[1], pointer)])
        return context.get_dummy_value()
    return numba.void(numba.intp, numba.intp), generate


if os.name == 'posix':
    _start = numba.types.ExternalFunction('pthread_create', numba.int32(
        numba.intp, numba.intp, numba.intp, numba.intp))
    _join = numba.types.ExternalFunction('pthread_join', numba.int32(
        numba.intp, numba.intp))
else:
    _start = njit(lambda thread, attributes, entry, task: 1)  # not started
    _join = njit(lambda thread, result: 0)


@njit
def _shape(buffer):
    """(product of all sizes but the last, last size)."""
    sizes = int64_at(_word(buffer + _SIZES), _word(buffer + _RANK))
    product = 1
    for size in sizes[:-1]:
        product *= size
    return product, sizes[-1]
