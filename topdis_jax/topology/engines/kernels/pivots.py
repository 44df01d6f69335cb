"""Reduced relations, as bit sets of generators."""

from typing import NamedTuple

import numpy as np

from topdis_jax.topology.engines.kernels.bits import last_member, ONE
from topdis_jax.topology.engines.kernels.decorators import without_counts


class Pivots(NamedTuple):
    """Reduced relations of G generators: see `sums`.

    Attributes:
      rows: [G, words] uint64, the relation of which g is the youngest member.
      dead: [words] uint64, the generators that have one.
      deaths: [G, 2] int64, that relation's (key, tie), -1 if there is none.
    """
    rows: np.ndarray
    dead: np.ndarray
    deaths: np.ndarray


@without_counts
def end_bar(relation, pivots, key, tie):
    """Reduces a relation and clears it. Returns how many bars it ends, 0 or 1.

    A pivot that is used is first brought up to date itself, and kept so: else
    the same replacements would be made again and again.
    """
    rows, dead, deaths = pivots
    for w in range(relation.size - 1, -1, -1):
        members = relation[w] & dead[w]
        while members:
            g = last_member(members, w)
            _replace_dead(rows, dead, g)
            _add_row(relation, rows, g)
            members = relation[w] & dead[w]
    for w in range(relation.size - 1, -1, -1):
        if relation[w]:
            g = last_member(relation[w], w)
            deaths[g, 0], deaths[g, 1] = key, tie
            for v in range(w + 1):
                rows[g, v] = relation[v]
                relation[v] = 0
            dead[w] |= ONE << np.uint64(g & 63)
            return 1
    return 0


@without_counts
def _replace_dead(rows, dead, g):
    """Replaces what has died since by what it equals, in the pivot of g."""
    row = rows[g]
    below = (ONE << np.uint64(g & 63)) - ONE
    for w in range(g >> 6, -1, -1):
        members = row[w] & dead[w] & below
        while members:
            other = last_member(members, w)
            _add_row(row, rows, other)
            members = row[w] & dead[w] & below
        below = ~np.uint64(0)


@without_counts
def _add_row(row, rows, g):
    for w in range((g >> 6) + 1):
        row[w] ^= rows[g, w]
