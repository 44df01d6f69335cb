"""Sorts of int64."""

import numpy as np

from topdis_jax.topology.engines.kernels.decorators import njit, without_counts

_RUN = 16  # sorted by insertion, before runs are merged
SHORT = 32  # up to here, insertion is the fastest


@njit
def sort(values):
    """Ascending. Written out, as NumPy's takes seconds to compile."""
    values, run = values.copy(), _RUN
    for begin in range(0, values.size, run):
        sort_part(values, begin, min(begin + run, values.size))
    if values.size <= run:
        return values
    spare = np.empty_like(values)
    while run < values.size:
        for begin in range(0, values.size, 2 * run):
            _merge(values, spare, begin, min(begin + run, values.size),
                   min(begin + 2 * run, values.size))
        values, spare = spare, values
        run *= 2
    return values


@without_counts
def sort_part(values, begin, end):
    """Ascending, in its place, for what is mostly short: by insertion, where
    what comes first is no branch, as that could go either way."""
    if end - begin > SHORT:
        _sort_long_part(values, begin, end)
        return
    for last in range(begin + 1, end):
        value = values[last]
        for place in range(begin, last):
            other = values[place]
            values[place] = min(other, value)
            value = max(other, value)
        values[last] = value


@without_counts
def _sort_long_part(values, begin, end):
    """Shell's sort."""
    gap = 1
    while 9 * gap < end - begin:
        gap = 3 * gap + 1
    while gap:
        for place in range(begin + gap, end):
            value = values[place]
            while place >= begin + gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value
        gap //= 3


@without_counts
def _merge(values, merged, begin, middle, end):
    """Two ascending runs become one. Which one is next is not a branch, as
    that could go either way."""
    left, right, place = begin, middle, begin
    while left < middle and right < end:
        is_left = np.int64(values[left] < values[right])
        merged[place] = min(values[left], values[right])
        left, right, place = left + is_left, right + 1 - is_left, place + 1
    while left < middle:
        merged[place] = values[left]
        left, place = left + 1, place + 1
    while right < end:
        merged[place] = values[right]
        right, place = right + 1, place + 1
