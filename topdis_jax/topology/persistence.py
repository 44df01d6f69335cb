"""Bars of degree 1 with their edges, on the host: NumPy in and out.

`relative_h1` is for a pair of matrices, `rips_h1` for one cloud. For JAX,
gradients, batches and degree 0: `topology.relative_barcode` and
`topology.rips_barcode` (barcode.py).
"""

import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax.topology import barcode, validity
from topdis_jax.topology.engines.host import barcode_entries
from topdis_jax.topology.engines.host import Bars
from topdis_jax.topology.engines.host import Entries
from topdis_jax.topology.engines.host import real_matrix
from topdis_jax.topology.engines.host import relative_h1

__all__ = ('Bars', 'Entries', 'barcode_entries', 'relative_h1', 'rips_h1')


def rips_h1(dist: ArrayLike) -> Bars:
    """All bars of Rips(dist) in degree 1, over Z/2, with their edges.

    The bars of `topology.rips_barcode`, which has the gradient but does not
    name edges. Not for use under jit.

    >>> square = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1.],
    ...                    [1, 2, 1, 0]])
    >>> bars = rips_h1(square)
    >>> bars.births, bars.deaths
    (array([1.], dtype=float32), array([2.], dtype=float32))

    Args:
      dist: [n, n] real, symmetric, zero diagonal, not negative, finite. No
        triangle inequality is needed. Rounded to float32; denormal numbers
        count as 0.

    Returns:
      Bars, the longest first: births [b] are dist at birth_edges [b, 2], the
      edge that closes a loop; deaths [b] are dist at death_edges [b, 2], the
      longest edge of the triangle that fills it. capped [b] is False.

    Raises:
      ValueError: wrong shape or type, or a value that is not valid; names the
        first bad entry.
    """
    dist = real_matrix('dist', dist)
    validity.check_concrete(dist, dist, names=('dist', 'dist'))
    lower, _, upper, _ = barcode.with_tree(
        barcode.flushed(jnp.asarray(dist, jnp.float32)),
        jnp.ones(len(dist), bool))
    return relative_h1(lower, upper)
