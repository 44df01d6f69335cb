"""Barcodes and RTD as differentiable JAX functions.

Source: Barannikov et al., Representation Topology Divergence, ICML 2022, and
Balabin et al., Disentanglement Learning via Topology, ICML 2024. The doubled
Vietoris-Rips complex of these papers has the homology of a pair of complexes
on the points themselves; `topology.persistence` says how that is computed.
"""

import functools
from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from topdis_jax.topology import devices, dispatch, validity
from topdis_jax.topology.distances import scale_by_quantile

FORMS = ('min', 'max')


class Barcode(NamedTuple):
    """The longest bars, longest first; births = deaths = 0 in unused places.

    Attributes:
      births: [..., num_bars] float.
      deaths: [..., num_bars] float.
      count: [...] int32, bars of positive length, which may be more than
        num_bars. If it is negative, all bars are NaN. -1: the matrices were
        not valid. Below -1: there were -count generators, more than the
        engine's capacity; raise that.
    """
    births: jax.Array
    deaths: jax.Array
    count: jax.Array


def relative_barcode(lower, upper, *, mask=None, num_bars=50, engine='auto',
                     capacity=None):
    """Persistent homology of degree 1 of the pair (Rips(lower), Rips(upper)).

    An edge {i, j} is born at lower[i, j] as a class, triangles relate edges,
    and from upper[i, j] on the edge is zero. Every birth is an entry of
    `lower`, every death an entry of `lower` or `upper`; the gradient of a bar
    goes to these entries, half to [i, j] and half to [j, i].

    Works under jit, grad, vmap, scan, pmap and shard_map. The barcode is
    exact and deterministic: equal values are told apart by the edges' ends.

    Engines: 'host' is a compiled function, which XLA calls without any Python
    where it runs on a CPU and n is at most 512, else by a callback. 'xla' is
    an array program, with the same bars and gradients, for at most 1024
    points: it can be exported and stops no accelerator, but on a CPU it takes
    some 10 times as long at n = 56 and 500 times at n = 256. With capacity g
    it needs about
    1.5 * n^2 * g bytes for each barcode, 6 * n^3 if g is not given: 6, 50 and
    400 MB for the four of rtd at n = 64, 128 and 256. 'auto' is 'host' where
    the default backend is the CPU when this is traced, or n > 256; else 'xla'.

    Args:
      lower: [..., n, n] float32, symmetric, zero diagonal, not negative.
      upper: [..., n, n], likewise, nowhere below `lower`.
      mask: [..., n] bool, the points that take part (all if None). The result
        is that of the matrices restricted to these points.
      num_bars: how many bars are returned.
      engine: 'auto', 'host' or 'xla'.
      capacity: edges that engine 'xla' has room for among those that may give
        a bar. 4 n if None, which clouds do not fill; other matrices may, as
        edges between the two sides of a bipartite graph do. Too small a one
        gives NaN, never a wrong bar.

    Returns:
      A Barcode. Traced values that are not valid (NaN, infinity, negative,
      asymmetric, lower > upper, diagonal not zero) make it NaN with count -1:
      nothing is raised inside a compiled function.

    Raises:
      ValueError: wrong shapes or options, or values that are not valid and
        not traced; `symmetrize` mends those that differ by rounding alone.
      TypeError: not floating.
    """
    given = lower, upper
    lower, upper = _matrices(lower, upper)
    whole_mask = validity.as_mask(mask, lower)
    validity.check_concrete(*given, mask=mask, ordered=True)
    return _bars(lower, upper, whole_mask, num_bars, engine, capacity)


def _bars(lower, upper, mask, num_bars, engine, capacity):
    num_bars = validity.check_count('num_bars', num_bars)
    entries = dispatch.choose(engine, lower.shape[-1], capacity)
    return _barcode(lower, upper, mask, num_bars, entries)


def rtd(dist_x, dist_y, *, mask=None, num_bars=50, power=1, forms=FORMS,
        symmetric=True, quantile=None, engine='auto', capacity=None,
        axis_name=None):
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
      num_bars: bars that count in each barcode, the longest.
      power: exponent, at least 1; may be traced.
      forms: 'min', 'max' or both.
      symmetric: both directions, halved.
      quantile: if given, each matrix is first divided by this quantile of its
        own entries (0.9 is usual), see `scale_by_quantile`.
      engine, capacity: see relative_barcode. All barcodes are one call of the
        engine.
      axis_name: name of a mapped axis on which all devices have the same
        arguments: the barcodes are shared out among them, and the result is
        that of one device.

    Returns:
      Scalar float32. NaN where a traced matrix or option is not valid, or
      the capacity of engine 'xla' too small.

    Raises:
      ValueError: wrong shapes or options, or distances that are not valid and
        not traced; `symmetrize` mends those that differ by rounding alone.
      TypeError: not floating.
    """
    names = 'dist_x', 'dist_y'
    given = dist_x, dist_y
    dist_x, dist_y = _matrices(dist_x, dist_y, names, rank=2)
    whole_mask = validity.as_mask(mask, dist_x)
    validity.check_concrete(*given, mask=mask, names=names)
    if quantile is not None:
        dist_x, dist_y = (
            scale_by_quantile(dist, mask=whole_mask, quantile=quantile)
            for dist in (dist_x, dist_y))
    return rtd_or_nan(
        dist_x, dist_y, whole_mask, num_bars=num_bars, power=power,
        forms=forms, symmetric=symmetric, engine=engine, capacity=capacity,
        axis_name=axis_name)


def rtd_or_nan(dist_x, dist_y, mask, *, num_bars, power, forms, engine,
               capacity, axis_name, symmetric=True):
    """`rtd` of float32 matrices [n, n] and a bool mask [n].

    Distances that are not valid give NaN even where they are not traced.
    """
    power = validity.check_option('power', power, lambda x: x >= 1,
                                  'be at least 1')
    lower, upper = _pairs(dist_x, dist_y, forms, symmetric)
    lower, upper = _own_share(lower, upper, axis_name)
    mask = jnp.broadcast_to(mask, lower.shape[:-1])
    bars = _bars(lower, upper, mask, num_bars, engine, capacity)
    # deaths >= births: no absolute value, whose derivative at 0 is a matter
    # of convention.
    loss = jnp.sum((bars.deaths - bars.births) ** power)
    loss = devices.total(loss, axis_name)
    return loss / 2 if symmetric else loss


def _pairs(x, y, forms, symmetric):
    """(lower, upper) of each barcode of rtd, [barcodes, n, n] both."""
    forms = (forms,) if isinstance(forms, str) else tuple(forms)
    if not forms or set(forms) - set(FORMS):
        raise ValueError(f'forms must be taken from {FORMS}, received {forms}')
    pairs = []
    if 'min' in forms:
        low = jnp.minimum(x, y)
        pairs += [(low, x), (low, y)] if symmetric else [(low, x)]
    if 'max' in forms:
        high = jnp.maximum(x, y)
        pairs += [(y, high), (x, high)] if symmetric else [(y, high)]
    lower, upper = zip(*pairs)
    return jnp.stack(lower), jnp.stack(upper)


def _own_share(lower, upper, axis_name):
    """This device's barcodes; zero matrices, which have no bar, fill up."""
    count = devices.count(axis_name)
    each = -(-lower.shape[0] // count)
    fill = ((0, each * count - lower.shape[0]), (0, 0), (0, 0))
    return tuple(devices.own_rows(jnp.pad(m, fill), each, axis_name)
                 for m in (lower, upper))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _barcode(lower, upper, mask, num_bars, engine):
    return _barcode_forward(lower, upper, mask, num_bars, engine)[0]


def _barcode_forward(lower, upper, mask, num_bars, engine):
    entries = engine(lower, upper, mask, num_bars)
    births = _take(lower, entries.birth_edges)
    deaths = jnp.where(entries.capped, _take(upper, entries.death_edges),
                       _take(lower, entries.death_edges))
    place = lax.broadcasted_iota(jnp.int32, births.shape, births.ndim - 1)
    used = place < entries.count[..., None]
    invalid = entries.count[..., None] < 0

    def fill(values):
        return jnp.where(invalid, jnp.nan, jnp.where(used, values, 0.0))

    bars = Barcode(fill(births), fill(deaths), entries.count)
    # The shape of the matrices is all that the backward pass needs of them.
    return bars, (entries, used, jnp.zeros_like(lower))


def _barcode_backward(num_bars, engine, residuals, grads):
    del num_bars, engine
    entries, used, zeros = residuals
    to_births = jnp.where(used, grads.births, 0.0)
    to_deaths = jnp.where(used, grads.deaths, 0.0)
    to_lower = _put(_put(zeros, entries.birth_edges, to_births),
                    entries.death_edges,
                    jnp.where(entries.capped, 0.0, to_deaths))
    to_upper = _put(zeros, entries.death_edges,
                    jnp.where(entries.capped, to_deaths, 0.0))
    return to_lower, to_upper, None


_barcode.defvjp(_barcode_forward, _barcode_backward)


def _flat(edges, n):
    return edges[..., 0] * n + edges[..., 1]


def _take(matrix, edges):
    """matrix [..., n, n], edges [..., b, 2] -> [..., b]."""
    n = matrix.shape[-1]
    if n == 0:
        return jnp.zeros(edges.shape[:-1], matrix.dtype)
    flat = matrix.reshape(*matrix.shape[:-2], n * n)
    return jnp.take_along_axis(flat, _flat(edges, n), axis=-1)


def _put(matrix, edges, values):
    """Adds half of values [..., b] at [i, j] and half at [j, i]."""
    n = matrix.shape[-1]
    if n == 0:
        return matrix
    batch = matrix.shape[:-2]
    size = int(np.prod(batch))
    item = jnp.arange(size)[:, None]
    flat = matrix.reshape(size, n * n)
    halves = values.reshape(size, -1) / 2
    for order in (edges, edges[..., ::-1]):
        place = _flat(order, n).reshape(size, -1)
        flat = flat.at[item, place].add(halves)
    return flat.reshape(matrix.shape)


def _matrices(first, second, names=('lower', 'upper'), rank=None):
    """Both as float32 arrays of one shape [..., n, n]."""
    pair = [validity.as_distances(name, matrix, rank)
            for name, matrix in zip(names, (first, second))]
    if pair[0].shape != pair[1].shape:
        raise ValueError(f'{names[0]} and {names[1]} must have one shape, '
                         f'received {pair[0].shape} and {pair[1].shape}')
    return pair
