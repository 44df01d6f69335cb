"""The persistence engine as a custom call of XLA, without Python in a step.

`kernels.handler` reads and writes XLA's own buffers: no interpreter lock, no
copies, and no thread that waits for another one's Python.
"""

from collections.abc import Sequence
import ctypes
import functools
import threading
from typing import Any

import jax
from jax.interpreters import mlir
import numba
import numpy as np

from topdis_jax.topology.engines import host, numba_cache
from topdis_jax.topology.engines.kernels import handler
from topdis_jax.topology.engines.kernels.source_hash import SOURCE_HASH

_NAME = 'topdis_jax_barcodes'
_lock = threading.Lock()


def lower(ctx: mlir.LoweringRuleContext,
          operands: Sequence[Any]) -> Sequence[Any]:
    """The custom call, as a lowering rule has it.

    Args:
      ctx: of the rule; its results are the parts of host.Entries, with
        the pairs as their first dimension.
      operands: lower and upper of each pair, [..., n, n] float32, and a mask
        [..., n] bool.
    """
    warm_up()
    *_, matrix, mask = ctx.avals_in
    threads = np.asarray(host.cores(), np.int32)
    ctx = ctx.replace(avals_in=[matrix] * (len(operands) - 1)
                      + [mask, jax.core.ShapedArray((), np.int32)])
    return jax.ffi.ffi_lowering(_NAME)(ctx, *operands,
                                       mlir.ir_constant(threads))


def lower_trees(ctx: mlir.LoweringRuleContext, dist: Any,
                mask: Any) -> Sequence[Any]:
    """The same of spanning trees.

    Args:
      ctx: of the rule; its results are the edges alone, or all that
        `trees.tree_and_upper` has.
      dist, mask: [..., n, n] float32 and [..., n] bool.
    """
    warm_up()
    return jax.ffi.ffi_lowering(_NAME)(ctx, dist, mask)


def warm_up() -> Any:
    """Compiles the engine, or loads it, and makes it known to XLA."""
    with _lock:  # of two engines, one would be freed and still be called
        return _registered()


@functools.cache
def _registered():
    host.warm_up()  # which the handler calls
    target = numba_cache.load_or_compile(
        lambda cache: numba.cfunc(handler.HANDLER_SIGNATURE, cache=cache)(
            handler.make(SOURCE_HASH)))
    jax.ffi.register_ffi_target(
        _NAME, jax.ffi.pycapsule(ctypes.c_void_p(target.address)),
        platform='cpu')
    return target  # kept by the cache: the machine code goes with it
