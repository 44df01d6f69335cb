"""Memory that a training step gives back is kept for the next one."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep() -> None:
    """Has the C library keep what is freed.

    XLA takes the memory of a step's intermediate arrays anew at each step. In
    blocks of this size the C library gets it from the system each time, which
    clears it page by page: a tenth of a convolutional network's step on a CPU.
    Where the C library is another than glibc, nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return
    mallopt(_TRIM_THRESHOLD, 2 ** 31 - 1)
    mallopt(_MMAP_MAX, 0)
    # Other arenas than the first cannot hold such blocks.
    mallopt(_ARENA_MAX, 1)
