"""Arrays: with more room, without counts of references, at an address."""

import sys

import numba
from numba import extending
from numba.core import cgutils
import numpy as np

from topdis_jax.topology.engines.kernels.decorators import njit, without_counts

# Entries between two checks of a loop; at most 32, as `first_witness` keeps a
# bit of each of 2 * BLOCK in a word.
BLOCK = 16
_HAS_LARGE_PAGES = sys.platform == 'linux'
_LARGE_PAGE, _USE_LARGE_PAGES = 1 << 21, 14  # bytes; MADV_HUGEPAGE
_advise = numba.types.ExternalFunction(
    'madvise', numba.int32(numba.intp, numba.intp, numba.int32))


@without_counts
def on_large_pages(array):
    """Asks for large pages under an array to which nothing is written yet.

    Else the first touch of each 4 KiB takes longer than what is done with
    them, most of all on virtual machines. NumPy does so with its own arrays.
    """
    if _HAS_LARGE_PAGES:
        begin = (array.ctypes.data + _LARGE_PAGE - 1) & -_LARGE_PAGE
        end = (array.ctypes.data + array.nbytes) & -_LARGE_PAGE
        if end > begin:
            _advise(begin, end - begin, _USE_LARGE_PAGES)


@extending.intrinsic
def borrowed(typingctx, array):
    """The same without a count of references, which costs time in each call.

    For the arguments of a function: the caller keeps these.
    """
    def generate(context, builder, signature, args):
        array_type = signature.args[0]
        struct = cgutils.create_struct_proxy(array_type)(
            context, builder, args[0])
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
        return struct._getvalue()

    return array(array), generate


@njit
def grow(array):
    """The same with room for twice as many rows."""
    rows = array.shape[0]
    larger = np.empty((2 * rows,) + array.shape[1:], array.dtype)
    # One by one: Numba's assignment of slices brings all of its strings along,
    # for a message, and seconds of compilation.
    for place in range(array.size):
        larger.flat[place] = array.flat[place]
    return larger


def _array_at(dtype):
    """A compiled function (address, shape) -> the array that lies there."""
    @extending.intrinsic
    def pointer(context, address):
        def generate(context, builder, signature, args):
            return builder.inttoptr(
                args[0], context.get_value_type(signature.return_type))
        return numba.types.CPointer(dtype)(numba.types.intp), generate

    return njit(lambda address, shape: numba.carray(pointer(address), shape))


int32_at, int64_at = _array_at(numba.int32), _array_at(numba.int64)
float32_at, bool_at = _array_at(numba.float32), _array_at(numba.bool_)
