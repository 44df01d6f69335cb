"""Sets as bits of 64-bit words."""

import numba
from numba import extending
import numpy as np

from topdis_jax.topology.engines.kernels.decorators import without_counts

ONE = np.uint64(1)


@without_counts
def num_words(members):
    """How many words a set of so many members takes."""
    return (members + 63) // 64


@without_counts
def last_member(word, w):
    """The last member in word w of a set; the word is not 0."""
    return (w << 6) + 63 - np.int64(_leading_zeros(word))


def _zeros_of_word(instruction):
    @extending.intrinsic
    def count(context, word):
        def generate(context, builder, signature, args):
            is_not_zero = context.get_constant(numba.types.boolean, True)
            return getattr(builder, instruction)(args[0], is_not_zero)
        return numba.types.uint64(numba.types.uint64), generate
    return count


_leading_zeros = _zeros_of_word('ctlz')
trailing_zeros = _zeros_of_word('cttz')


@without_counts
def take_first(words):
    """Removes the first member of a set that is not empty, and returns it."""
    w = 0
    while words[w] == 0:
        w += 1
    k = (w << 6) + np.int64(trailing_zeros(words[w]))
    words[w] &= words[w] - ONE
    return k
