"""Divergences of two clouds of points in correspondence: the mathematics.

Those without barcodes are in lite.py. Their names: comparison.py, for
`topology.compare`, and losses/divergences.py, for the TopDis loss.

Source: Barannikov et al., Representation Topology Divergence, ICML 2022, and
Balabin et al., Disentanglement Learning via Topology, ICML 2024.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.topology import barcode, validity
from topdis_jax.topology.distances import scale_by_quantile
from topdis_jax.topology.engines import primitive

FORMS = ('min', 'max')


def rtd(dist_x: ArrayLike, dist_y: ArrayLike, *, mask: ArrayLike | None = None,
        num_bars: int | None = 50, power: ArrayLike = 1,
        forms: str | Sequence[str] = FORMS, symmetric: bool = True,
        quantile: ArrayLike | None = None, engine: str = 'auto',
        capacity: int | None = None, axis_name: AxisName = None) -> jax.Array:
    """Representation topology divergence of two clouds in correspondence.

    The sum over forms and directions of sum |death - birth|^power over the
    num_bars longest bars of each barcode; halved if symmetric. With
    low = min(x, y) and high = max(x, y), entry by entry, the barcodes are

        min, x -> y: (low, x)       max, x -> y: (y, high)
        min, y -> x: (low, y)       max, y -> x: (x, high)

    where the direction x -> y alone is taken if not symmetric. forms=('min',)
    is the RTD of Barannikov et al.; both forms, that of TopDis. The gradient
    is exact. (The published TopDis reads the deaths of the min form from the
    other cloud when one cloud is held fixed; how its program breaks structural
    ties decides which bars that touches. Not done here: to hold a cloud fixed,
    use jax.lax.stop_gradient.)

    Args:
      dist_x, dist_y: [n, n] float32, distances within each cloud. Scale both
        alike: RTD compares them entry by entry.
      mask: [n] bool, the points that take part (all if None).
      num_bars: bars that count in each barcode, the longest; None for all,
        see relative_barcode.
      power: exponent, at least 1; may be traced.
      forms: 'min', 'max' or both.
      symmetric: both directions, halved.
      quantile: if given, each matrix is first divided by this quantile of its
        own entries (0.9 is usual), see `scale_by_quantile`.
      engine, capacity: see relative_barcode. All barcodes are one call of the
        engine.
      axis_name: name of the mapped axis, or names of the axes, on which all
        devices have the same arguments: the barcodes are shared out among
        them, and the result is that of one device. So is the gradient under
        shard_map with check_vma=True; under pmap and check_vma=False, its mean
        over the devices is. See `losses.topdis_loss`.

    Returns:
      Scalar float32. NaN where a traced matrix or option is not valid, or
      the capacity of engine 'xla' too small.

    Raises:
      ValueError: wrong shapes or options, or distances that are not valid and
        not traced; `symmetrize` mends those that differ by rounding alone.
      TypeError: not floating.
    """
    dist_x, dist_y, mask = checked(dist_x, dist_y, mask)
    if quantile is not None:
        dist_x, dist_y = (
            scale_by_quantile(dist, mask=mask, quantile=quantile)
            for dist in (dist_x, dist_y))
    return rtd_or_nan(
        dist_x, dist_y, mask, num_bars=num_bars, power=power,
        forms=forms, symmetric=symmetric, engine=engine, capacity=capacity,
        axis_name=axis_name)


def checked(dist_x: ArrayLike, dist_y: ArrayLike, mask: ArrayLike | None
            ) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(dist_x, dist_y [n, n] float32, mask [n]) of a divergence's arguments.

    Raises:
      ValueError: wrong shapes, or values that are not valid and not traced.
      TypeError: not floating.
    """
    names, given = ('dist_x', 'dist_y'), (dist_x, dist_y)
    dist_x, dist_y = barcode.as_pair(dist_x, dist_y, names, rank=2)
    whole_mask = validity.as_mask(mask, dist_x)
    validity.check_concrete(*given, mask=mask, names=names)
    return dist_x, dist_y, whole_mask


def rtd_or_nan(dist_x: jax.Array, dist_y: jax.Array, mask: jax.Array, *,
               num_bars: int | None, power: ArrayLike,
               forms: str | Sequence[str], engine: str, capacity: int | None,
               axis_name: AxisName, symmetric: bool = True) -> jax.Array:
    """`rtd` of float32 matrices [n, n] and a bool mask [n].

    Distances that are not valid give NaN even where they are not traced.
    """
    matrices, pairs = _pairs(dist_x, dist_y, forms, symmetric)
    loss = _total_length(matrices, pairs, mask, num_bars, power, engine,
                         capacity, axis_name)
    return loss / 2 if symmetric else loss


def _total_length(matrices, pairs, mask, num_bars, power, engine, capacity,
                  axis_name):
    """Sum [] of length^power over the longest bars of each pair's barcode."""
    power = validity.check_option('power', power, lambda x: x >= 1,
                                  'be at least 1')
    chosen = primitive.checked_engine(engine, mask.shape[-1], capacity)
    if axis_name is not None:  # else each matrix stays where it lies
        matrices = _own_share(matrices, pairs, axis_name)
        pairs = ((0, 1),)
        mask = jnp.broadcast_to(mask, matrices[0].shape[:-1])
    bars = barcode.barcodes_of(matrices, pairs, mask, num_bars, chosen)
    # deaths >= births: no absolute value, whose derivative at 0 is a matter
    # of convention. Nor has a power a second one there, if less than 2.
    length = bars.deaths - bars.births
    unused = length == 0
    loss = jnp.sum(jnp.where(
        unused, 0.0, jnp.where(unused, 1.0, length) ** power))
    loss = jnp.where(jnp.isnan(power), jnp.nan, loss)
    return collectives.total(loss, axis_name)


def _pairs(x, y, forms, symmetric):
    """(matrices, pairs): the barcodes of rtd, see primitive.pair_entries."""
    forms = checked_forms(forms)
    matrices, pairs = [x, y], []
    if 'min' in forms:
        pairs += [(len(matrices), 0), (len(matrices), 1)][:1 + symmetric]
        matrices.append(jnp.minimum(x, y))
    if 'max' in forms:
        pairs += [(1, len(matrices)), (0, len(matrices))][:1 + symmetric]
        matrices.append(jnp.maximum(x, y))
    return tuple(matrices), tuple(pairs)


def checked_forms(forms: str | Sequence[str]) -> tuple[str, ...]:
    """'min', 'max' or both as a tuple."""
    forms = (forms,) if isinstance(forms, str) else tuple(forms)
    if not forms or set(forms) - set(FORMS):
        raise ValueError(f'forms must be taken from {FORMS}, received {forms}')
    return forms


def _own_share(matrices, pairs, axis_name):
    """This device's barcodes; zero matrices, which have no bar, fill up."""
    count = collectives.count(axis_name)
    each = -(-len(pairs) // count)
    fill = ((0, each * count - len(pairs)), (0, 0), (0, 0))
    return tuple(
        collectives.own_rows(jnp.pad(jnp.stack(side), fill), each, axis_name)
        for side in zip(*((matrices[i], matrices[j]) for i, j in pairs)))


def srtd(dist_x: ArrayLike, dist_y: ArrayLike, *,
         mask: ArrayLike | None = None, num_bars: int | None = 50,
         power: ArrayLike = 1, engine: str = 'auto',
         capacity: int | None = None) -> jax.Array:
    """Symmetric representation topology divergence: one barcode, not four.

    The sum of |death - birth|^power over the num_bars longest bars of the
    pair (min(x, y), max(x, y)). Symmetric by itself.

    Source: SRTD and NTS, arXiv:2606.06342, where the barcode is that of a
    matrix of 2 n + 1 points; it is the same one.

    Args, result and errors: see `rtd`.
    """
    return srtd_or_nan(*checked(dist_x, dist_y, mask), num_bars=num_bars,
                       power=power, engine=engine, capacity=capacity)


def srtd_or_nan(dist_x: jax.Array, dist_y: jax.Array, mask: jax.Array, *,
                num_bars: int | None, power: ArrayLike, engine: str,
                capacity: int | None,
                axis_name: AxisName = None) -> jax.Array:
    """`srtd` as `rtd_or_nan` is `rtd`."""
    matrices = jnp.minimum(dist_x, dist_y), jnp.maximum(dist_x, dist_y)
    return _total_length(matrices, ((0, 1),), mask, num_bars, power, engine,
                         capacity, axis_name)


def mtop_div(dist: ArrayLike, in_first: ArrayLike, *,
             num_bars: int | None = None, engine: str = 'auto',
             capacity: int | None = None) -> jax.Array:
    """Manifold topology divergence of two clouds without correspondence.

    The sum of the lengths of the H_1 bars of the union of both clouds, in
    which the distances within the second cloud are set to 0. It measures how
    far the first cloud departs from the second; take the mean of both
    directions for a symmetric number.

    Source: Barannikov et al., Manifold Topology Divergence, NeurIPS 2021
    (their defaults: 1000 and 10000 points, the mean of 20 samples).

    Args:
      dist: [n, n] float32, distances in the union of both clouds.
      in_first: [n] bool, the points of the first cloud.
      num_bars: bars that count, the longest; None for all.
      engine, capacity: see `relative_barcode`.

    Returns:
      Scalar float32. NaN where a traced matrix is not valid.

    Raises:
      ValueError: wrong shapes or options, or distances that are not valid and
        not traced. TypeError: not floating.
    """
    given = dist
    dist = validity.as_distances('dist', dist, rank=2)
    in_first = validity.as_mask(in_first, dist)
    validity.check_concrete(given, given, names=('dist', 'dist'))
    _, bars = barcode.rips_barcode(
        _second_as_one(dist, in_first), num_bars=num_bars, engine=engine,
        capacity=capacity)
    return jnp.sum(bars.deaths - bars.births)


@jax.jit
def _second_as_one(dist, in_first):
    """The distances, those within the second cloud set to 0."""
    within_second = ~in_first[:, None] & ~in_first[None, :]
    # Zeros must not hide what is wrong within the second cloud.
    right = jnp.isfinite(dist) & (dist >= 0) & (dist == dist.T) & ~(
        jnp.eye(len(dist), dtype=bool) & (dist != 0))
    return jnp.where(within_second & right, 0.0, dist)
