"""Matrices of distances: valid or not, alike, parts of them."""

import functools

from llvmlite import ir
import numba
from numba import extending
import numpy as np

from topdis_jax.topology.engines.kernels.decorators import njit, without_counts
from topdis_jax.topology.engines.kernels.edges import NO_SIGN

_TILE = 8  # a power of 2
_INT32 = ir.IntType(32)


@without_counts
def is_alike(lower, mask, item, other):
    """Whether two items have the same lower matrix and mask, bit by bit."""
    n = mask.shape[1]
    bits = lower.view(np.int32)
    for i in range(n):
        differs = np.int32(mask[item, i] != mask[other, i])
        for j in range(n):
            differs |= bits[item, i, j] ^ bits[other, i, j]
        if differs:
            return False
    return True


@njit
def restrict(lower, uppers, points):
    """The rows and columns of the points."""
    n, items = points.size, uppers.shape[0]
    small = np.empty((n, n), np.float32)
    smalls = np.empty((items, n, n), np.float32)
    for p in range(n):
        for q in range(n):
            small[p, q] = lower[points[p], points[q]]
            for item in range(items):
                smalls[item, p, q] = uppers[item, points[p], points[q]]
    return small, smalls


@without_counts
def is_valid(lower, upper):
    """Whether a pair of matrices has none of the errors of host.relative_h1."""
    n = lower.shape[0]
    for i in range(n):
        lows, highs = lower[i], upper[i]
        good = True
        for j in range(n):
            # A comparison with NaN is false.
            good &= ((lows[j] >= np.float32(0)) & (lows[j] <= highs[j])
                     & (highs[j] < np.float32(np.inf)))
        if not good or highs[i] != 0:
            return False
    return (_is_symmetric(lower.view(np.int32))
            and _is_symmetric(upper.view(np.int32)))


@without_counts
def _is_symmetric(bits):
    """By tiles, one of two transposed: columns are slow to read."""
    n = bits.shape[0]
    address, row_bytes = bits.ctypes.data, 4 * n
    wrong = np.int32(0)
    whole = n - n % _TILE
    for top in range(0, whole, _TILE):
        for left in range(0, top + 1, _TILE):
            wrong |= _tile_differs(address + top * row_bytes + 4 * left,
                                   address + left * row_bytes + 4 * top,
                                   row_bytes)
    for i in range(whole, n):
        for j in range(i):
            wrong |= bits[i, j] ^ bits[j, i]
    return wrong & NO_SIGN == 0


@extending.intrinsic
def _tile_differs(context, first, second, row_bytes):
    """The bits in which a tile differs from the transpose of a second one.

    Tiles are [_TILE, _TILE] int32, given by the addresses of their first
    entries. In vector registers, which the compiler does not find by itself.
    """
    def generate(context, builder, signature, args):
        tile, other = (_load_tile(builder, address, args[2])
                       for address in args[:2])
        differs = None
        for row, other_row in zip(_transposed(builder, tile), other):
            change = builder.xor(row, other_row)
            differs = change if differs is None else builder.or_(differs,
                                                                 change)
        lanes = [builder.extract_element(differs, _INT32(lane))
                 for lane in range(_TILE)]
        return functools.reduce(builder.or_, lanes)
    return numba.int32(numba.intp, numba.intp, numba.intp), generate


def _load_tile(builder, address, row_bytes):
    rows = []
    for _ in range(_TILE):
        row = builder.load(builder.inttoptr(
            address, ir.VectorType(_INT32, _TILE).as_pointer()))
        row.align = 4
        rows.append(row)
        address = builder.add(address, row_bytes)
    return rows


def _transposed(builder, rows):
    """Blocks of 4 x 4, 2 x 2 and 1 x 1 entries change places with those on
    the other side of the diagonal."""
    mask = ir.VectorType(_INT32, _TILE)
    step = _TILE // 2
    while step:
        # Of two rows, `step` apart, taken as one of twice the length.
        upper = [c if not c & step else c - step + _TILE
                 for c in range(_TILE)]
        lower = [c + step for c in upper]
        for r in range(_TILE):
            if not r & step:
                pair = rows[r], rows[r + step]
                rows[r], rows[r + step] = (
                    builder.shuffle_vector(*pair, mask(places))
                    for places in (upper, lower))
        step //= 2
    return rows
