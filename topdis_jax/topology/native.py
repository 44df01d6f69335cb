"""The persistence engine as a custom call of XLA, without Python in a step.

`kernels.handle` reads and writes XLA's own buffers: no interpreter lock, no
copies, and no thread that waits for another one's Python.
"""

import ctypes
import functools
import threading

import jax
import numba

from topdis_jax.topology import kernels, persistence

_NAME = 'topdis_jax_barcodes'
_lock = threading.Lock()


def barcode_entries(lower, upper, mask, shapes):
    """`persistence.barcode_entries` of JAX arrays, on a CPU.

    Args:
      lower, upper: [..., n, n] float32. mask: [..., n] bool.
      shapes: persistence.Entries of jax.ShapeDtypeStruct: the result's.

    Returns:
      persistence.Entries.
    """
    warm_up()
    call = jax.ffi.ffi_call(_NAME, tuple(shapes), vmap_method='broadcast_all')
    return persistence.Entries(*call(lower, upper, mask))


def warm_up():
    """Compiles the engine, or loads it, and makes it known to XLA."""
    with _lock:  # of two engines, one would be freed and still be called
        return _registered()


@functools.cache
def _registered():
    handler = persistence.compiled(
        lambda cache: numba.cfunc(kernels.HANDLER_SIGNATURE, cache=cache)(
            kernels.handle))
    jax.ffi.register_ffi_target(
        _NAME, jax.ffi.pycapsule(ctypes.c_void_p(handler.address)),
        platform='cpu')
    return handler  # kept by the cache: the machine code goes with it
