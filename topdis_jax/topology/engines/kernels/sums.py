"""What generators an edge is the sum of.

A generator is a candidate with lower < upper, and every other edge is zero or,
from its birth on, the sum of two older ones: of those to a witness. So every
relation is a sum of generators, a bit set in their order.

`codes[i, j]`, i < j, says what an edge is: ZERO, -2 - g for generator g, else
the witness. `codes[j, i]` is then 0, as most sums are never asked for. Once one
is (`settle`), it is the number of edges that adding up visits, or -1 - r if the
sum is row r of `Sums.rows`. Of more than MANY_CODES points, even the witness is
left out until then: `codes[i, j]` is n.
"""

from typing import NamedTuple

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import grow
from topdis_jax.topology.engines.kernels.bits import ONE
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, njit, without_counts)
from topdis_jax.topology.engines.kernels.edges import ends_of, name_of
from topdis_jax.topology.engines.kernels.witnesses import witness_of

# Codes of edges that are not the sum of two others. Generator g is -2 - g.
ZERO = -1
# The codes of more points do not fit in a core's cache.
MANY_CODES = 1024
# A sum that visits more edges is kept as a row of its own.
LONG_SUM = 128


class Sums(NamedTuple):
    """Sums of generators, with what is needed to add them up.

    Attributes:
      rows: [room, words] uint64, of which `size` are in use.
      stack: room for the edges that one sum visits.
      pending: room for the edges that wait to be settled.
    """
    rows: np.ndarray
    size: int
    stack: np.ndarray
    pending: np.ndarray


@inlined
def is_settled(codes, i, j):
    """Asked before `settle` is called, as most are and the call costs more."""
    return codes[min(i, j), max(i, j)] < 0 or codes[max(i, j), min(i, j)] != 0


@njit
def settle(codes, sums, relation, neighbors, i, j, stop):
    """Settles an edge, after those that it is the sum of. Returns the sums."""
    rows, size, stack, pending = sums
    pending[0] = name_of(i, j)
    waiting = 1
    while waiting and not stop[0]:
        i, j = ends_of(pending[waiting - 1])
        if is_settled(codes, i, j):
            waiting -= 1
            continue
        k = np.int64(codes[i, j])
        if k == codes.shape[0]:
            k = witness_of(codes, neighbors, i, j)
        if waiting + 2 > pending.size:
            pending = grow(pending)
        before = waiting
        for end in (i, j):
            if not is_settled(codes, end, k):
                pending[waiting] = name_of(end, k)
                waiting += 1
        if waiting > before:
            continue
        waiting -= 1
        terms = 1 + _num_terms(codes, i, k) + _num_terms(codes, j, k)
        if terms <= LONG_SUM:
            codes[j, i] = terms
            continue
        if size == rows.shape[0]:
            rows = grow(rows)
        add_edge(codes, rows, stack, relation, i, k)
        add_edge(codes, rows, stack, relation, j, k)
        for w in range(relation.size):
            rows[size, w] = relation[w]
        relation[:] = 0
        codes[j, i] = -1 - size
        size += 1
    return Sums(rows, size, stack, pending)


@without_counts
def _num_terms(codes, i, j):
    i, j = min(i, j), max(i, j)
    if codes[i, j] < 0:
        return np.int32(codes[i, j] != ZERO)
    return codes[j, i] if codes[j, i] > 0 else np.int32(1)


@without_counts
def add_edge(codes, sums, stack, relation, i, j):
    """Adds the generators of an edge to the relation."""
    stack[0] = name_of(i, j)
    size = 1
    while size:
        size -= 1
        i, j = ends_of(stack[size])
        code = np.int64(codes[i, j])
        if code < ZERO:
            g = -2 - code
            relation[g >> 6] ^= ONE << np.uint64(g & 63)
        elif code >= 0 and codes[j, i] < 0:
            row = sums[-1 - codes[j, i]]
            for w in range(relation.size):
                relation[w] ^= row[w]
        elif code >= 0:
            stack[size], stack[size + 1] = name_of(i, code), name_of(j, code)
            size += 2
