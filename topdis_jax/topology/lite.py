"""Divergences by spanning trees alone: RTD-Lite and NTS.

Source: RTD-Lite, AISTATS 2025, and SRTD and NTS, arXiv:2606.06342. They need
no barcode engine, and O(n^2) operations.
"""

import functools

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax.topology import divergences, validity
from topdis_jax.topology.barcode import Barcode
from topdis_jax.topology.entries import weights_at
from topdis_jax.topology.trees import minimax_paths, spanning_tree, tree_paths

LITE_FORMS = (*divergences.FORMS, 'both')
# Trees of so many points are found in one loop: each turn costs more than its
# operations. With more points the copy costs more.
_TOGETHER = 128


def rtd_lite(dist_x: ArrayLike, dist_y: ArrayLike, *,
             mask: ArrayLike | None = None, form: str = 'min') -> jax.Array:
    """RTD-Lite: how much heavier spanning trees of two clouds are than joint.

    With MST the total weight of a minimum spanning tree, low = min(x, y) and
    high = max(x, y), entry by entry,

        min:   (MST(x) + MST(y)) / 2 - MST(low)
        max:   MST(high) - (MST(x) + MST(y)) / 2
        both:  MST(high) - MST(low)

    'min' is a lower bound of `rtd(forms='min', num_bars=None)`.

    Args:
      dist_x, dist_y: [n, n] float32, distances within each cloud. Scale both
        alike: they are compared entry by entry.
      mask: [n] bool, the points that take part (all if None).
      form: 'min', 'max' or 'both'.

    Returns:
      Scalar float32. NaN where a traced matrix is not valid.

    Raises:
      ValueError: wrong shapes, an unknown form, or distances that are not
        valid and not traced. TypeError: not floating.
    """
    return rtd_lite_or_nan(*divergences.checked(dist_x, dist_y, mask),
                           form=form)


def rtd_lite_or_nan(dist_x: jax.Array, dist_y: jax.Array, mask: jax.Array, *,
                    form: str = 'min') -> jax.Array:
    """`rtd_lite` of float32 matrices [n, n] and a bool mask [n].

    Distances that are not valid give NaN even where they are not traced.
    """
    if form not in LITE_FORMS:
        raise ValueError(
            f'form must be one of {LITE_FORMS}, received {form!r}')
    return _difference(dist_x, dist_y, mask, form)


@functools.partial(jax.jit, static_argnums=3)
def _difference(dist_x, dist_y, mask, form):
    """Compiled as a whole, and not step by step outside of jit."""
    dist_x, dist_y, valid = _kept(dist_x, dist_y, mask)
    low, high = jnp.minimum(dist_x, dist_y), jnp.maximum(dist_x, dist_y)
    if form == 'both':
        heavy, light = _tree_weights((high, low), mask)
    else:
        first, second, joint = _tree_weights(
            (dist_x, dist_y, low if form == 'min' else high), mask)
        mean = (first + second) / 2
        heavy, light = (mean, joint) if form == 'min' else (joint, mean)
    return jnp.where(valid, heavy - light, jnp.nan)


def rtd_lite_barcode(dist_x: ArrayLike, dist_y: ArrayLike, *,
                     mask: ArrayLike | None = None) -> Barcode:
    """The bars of RTD-Lite from x to y; their lengths sum to MST(x) - MST(low).

    Each edge {u, v} of a minimum spanning tree of low = min(x, y), in
    ascending order, is a bar: born at low[u, v], it ends where u and v become
    connected in x, in which the earlier edges are contracted.

    Args:
      dist_x, dist_y, mask: see `rtd_lite`.

    Returns:
      Barcode of n - 1 places, the longest bars first, differentiable. NaN
      with count -1 where a traced matrix is not valid.

    Raises:
      ValueError: wrong shapes, or distances that are not valid and not
        traced. TypeError: not floating.
    """
    return _bars(*divergences.checked(dist_x, dist_y, mask))


@jax.jit
def _bars(dist_x, dist_y, mask):
    dist_x, dist_y, valid = _kept(dist_x, dist_y, mask)
    low = jnp.minimum(dist_x, dist_y)
    born_at = spanning_tree(low, mask=mask)
    births = weights_at(low, born_at)
    edges, longest = tree_paths(dist_x, mask)
    if not len(births):
        return Barcode(births, births, jnp.where(valid, 0, -1))

    def contract(longest, edge):
        u, v = edge
        at = longest[u, v]
        # Paths may use the edge that is contracted, in either direction.
        to_u, to_v = longest[:, u], longest[:, v]
        through = jnp.minimum(jnp.maximum(to_u[:, None], to_v[None, :]),
                              jnp.maximum(to_v[:, None], to_u[None, :]))
        return jnp.minimum(longest, through), at

    _, at = lax.scan(contract, longest, born_at)
    # Edges that fill up lead from a vertex to itself: at is -1.
    deaths = jnp.where(at < 0, births,
                       weights_at(dist_x, edges)[jnp.maximum(at, 0)])
    length = lax.stop_gradient(deaths - births)
    order = jnp.argsort(-length, stable=True)
    count = jnp.sum(length > 0).astype(jnp.int32)
    births, deaths = (jnp.where(valid, x[order], jnp.nan)
                      for x in (births, deaths))
    return Barcode(births, deaths, jnp.where(valid, count, -1))


def nts(dist_x: ArrayLike, dist_y: ArrayLike, *,
        minimax: bool = False) -> float:
    """Normalized topological similarity: rank correlation of tree edges.

    Spearman's correlation of the x- and the y-weights of the edges that are in
    a minimum spanning tree of x or of y (NTS-E); or of their minimax path
    weights (NTS-M). The scales of x and y do not matter.

    Args:
      dist_x, dist_y: [n, n] real, distances within each cloud.
      minimax: NTS-M in place of NTS-E.

    Returns:
      float in [-1, 1]. Not differentiable; not for use under jit.

    Raises:
      ValueError: wrong shapes, distances that are not valid, or weights that
        are all equal: a correlation is not defined then.
    """
    from scipy import stats  # takes a moment; comes with JAX

    x, y, mask = divergences.checked(dist_x, dist_y, None)
    trees = [np.asarray(spanning_tree(dist, mask=mask)) for dist in (x, y)]
    i, j = np.unique(np.concatenate(trees), axis=0).T
    if minimax:
        x, y = minimax_paths(x, mask=mask), minimax_paths(y, mask=mask)
    weights = [np.asarray(dist)[i, j] for dist in (x, y)]
    for name, values in zip(('dist_x', 'dist_y'), weights):
        if len(values) < 2 or np.all(values == values[0]):
            raise ValueError(
                f'the tree edges have one weight only in {name}: their rank '
                'correlation is not defined')
    return float(stats.spearmanr(*weights).statistic)


def _kept(dist_x, dist_y, mask):
    """Both with 0 for points that do not take part; whether they are valid."""
    kept = validity.pairs_of(mask)
    dist_x, dist_y = (jnp.where(kept, dist, 0.0) for dist in (dist_x, dist_y))
    valid = validity.all_valid(dist_x) & validity.all_valid(dist_y)
    return dist_x, dist_y, valid


def _tree_weights(matrices, mask):
    """Total weight [] of a minimum spanning tree of each, differentiable."""
    n = len(mask)
    if n > _TOGETHER and len(matrices) > 1:
        return [_tree_weights((dist,), mask)[0] for dist in matrices]
    stacked = jnp.stack(matrices)
    edges = spanning_tree(stacked, mask=jnp.broadcast_to(
        mask, (len(matrices), n)))
    # Edges that fill up have the weight of a diagonal entry, 0.
    return jnp.sum(weights_at(stacked, edges), axis=-1)
