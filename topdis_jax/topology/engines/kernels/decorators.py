"""How Numba compiles the functions of this package."""

from typing import Any

import numba

njit = numba.njit(nogil=True)
# For what is called in one place: a function of its own is made into machine
# code by itself, and again in each that it is linked into.
inlined_once = numba.njit(nogil=True, inline='always')
# For what neither makes arrays nor returns any: without counts of references,
# which cost more than a step of a search.
_WITHOUT_COUNTS: dict[str, Any] = {'nogil': True, '_nrt': False}
without_counts = numba.njit(**_WITHOUT_COUNTS)
inlined = numba.njit(forceinline=True, **_WITHOUT_COUNTS)
