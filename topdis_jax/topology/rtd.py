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

from topdis_jax.topology import devices, dispatch
from topdis_jax.topology.distances import check_square

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

    Works under jit, grad, jvp, hessian, vmap, scan, pmap and shard_map. Small
    changes move a bar with its entries, which are constant to autodiff: bars
    are piecewise linear in the matrices. The barcode is exact and
    deterministic: equal values are told apart by the edges' ends.

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
        Denormal numbers (below 1.2e-38) count as 0 and have no gradient.
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
      A Barcode. Values that are not valid (NaN, infinity, negative,
      asymmetric, lower > upper, diagonal not zero) make it NaN with count -1:
      nothing is raised inside a compiled function.

    Raises:
      ValueError: wrong shapes or options. TypeError: not floating.
    """
    lower, upper = _matrices(lower, upper)
    if num_bars < 1:
        raise ValueError(f'num_bars must be at least 1, received {num_bars}')
    entries = dispatch.choose(engine, lower.shape[-1], capacity)
    mask = _mask(mask, lower)
    return _barcode(lower, upper, mask, int(num_bars), entries)


def rtd(dist_x, dist_y, *, mask=None, num_bars=50, power=1, forms=FORMS,
        symmetric=True, engine='auto', capacity=None, axis_name=None):
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
      dist_x, dist_y: [n, n] float32, distances within each cloud.
      mask: [n] bool, the points that take part (all if None).
      num_bars: bars that count in each barcode, the longest.
      power: exponent, at least 1.
      forms: 'min', 'max' or both.
      symmetric: both directions, halved.
      engine, capacity: see relative_barcode. All barcodes are one call of the
        engine.
      axis_name: name of the mapped axis, or names of the axes, on which all
        devices have the same arguments: the barcodes are shared out among
        them, and the result is that of one device. So is the gradient under
        shard_map with check_vma=True; under pmap and check_vma=False, its mean
        over the devices is. See `losses.topdis_loss`.

    Returns:
      Scalar float32. NaN where a matrix is not valid, or the capacity of
      engine 'xla' too small.

    Raises:
      ValueError: wrong shapes or options. TypeError: not floating.
    """
    dist_x, dist_y = _matrices(dist_x, dist_y, ('dist_x', 'dist_y'), rank=2)
    if power < 1:
        raise ValueError(f'power must be at least 1, received {power}')
    lower, upper = _pairs(dist_x, dist_y, forms, symmetric)
    mask = _mask(mask, dist_x)
    lower, upper = _own_share(lower, upper, axis_name)
    bars = relative_barcode(lower, upper, mask=mask, num_bars=num_bars,
                            engine=engine, capacity=capacity)
    # deaths >= births: no absolute value, whose derivative at 0 is a matter
    # of convention. Nor has a power a second one there, if less than 2.
    length = bars.deaths - bars.births
    unused = length == 0
    loss = jnp.sum(jnp.where(
        unused, 0.0, jnp.where(unused, 1.0, length) ** power))
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


def _barcode(lower, upper, mask, num_bars, engine):
    """Gathers a Barcode at the entries that the engine names."""
    entries = _entries(*map(lax.stop_gradient, (lower, upper, mask)),
                       num_bars, engine)
    at_births, at_deaths = _take(
        lower, [entries.birth_edges, entries.death_edges])
    capped_at, = _take(upper, [entries.death_edges])
    place = lax.broadcasted_iota(jnp.int32, at_births.shape,
                                 at_births.ndim - 1)
    used = place < entries.count[..., None]
    invalid = entries.count[..., None] < 0

    def fill(values):
        return jnp.where(invalid, jnp.nan, jnp.where(used, values, 0.0))

    deaths = jnp.where(entries.capped, capped_at, at_deaths)
    return Barcode(fill(at_births), fill(deaths), entries.count)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _entries(lower, upper, mask, num_bars, engine):
    """The engine's entries, which small changes of the matrices leave alone.

    So the backward pass gives zeros. The caller stops gradients, as this has
    no rule for forward mode.
    """
    return engine(lower, upper, mask, num_bars)


def _entries_forward(lower, upper, mask, num_bars, engine):
    return engine(lower, upper, mask, num_bars), None


def _entries_backward(num_bars, engine, residuals, cotangents):
    del num_bars, engine, residuals, cotangents
    return None, None, None


_entries.defvjp(_entries_forward, _entries_backward)


def _take(matrix, edges):
    """The entries of a matrix at several lists of edges.

    Means of [i, j] and [j, i], so that each gets half of the gradient.

    Args:
      matrix: [..., n, n].
      edges: list of [..., b, 2].

    Returns:
      A list of [..., b].
    """
    n = matrix.shape[-1]
    if n == 0:
        return [jnp.zeros(e.shape[:-1], matrix.dtype) for e in edges]
    flat = matrix.reshape(*matrix.shape[:-2], n * n)
    places = [order[..., 0] * n + order[..., 1]
              for e in edges for order in (e, e[..., ::-1])]
    # One gather, and so one scatter in the backward pass.
    values = jnp.split(jnp.take_along_axis(
        flat, jnp.concatenate(places, axis=-1), axis=-1), len(places), -1)
    # As a + (b - a) / 2, a mean of large numbers does not overflow.
    return [a + (b - a) / 2 for a, b in zip(values[::2], values[1::2])]


def _matrices(first, second, names=('lower', 'upper'), rank=None):
    """Both as float32 arrays of one shape [..., n, n]."""
    pair = []
    for name, matrix in zip(names, (first, second)):
        matrix = devices.whole(jnp.asarray(matrix))
        check_square(name, matrix, rank)
        if not jnp.issubdtype(matrix.dtype, jnp.floating):
            raise TypeError(f'{name} must be floating, received '
                            f'{matrix.dtype}; convert it to float32')
        pair.append(_flushed(matrix.astype(jnp.float32)))
    if pair[0].shape != pair[1].shape:
        raise ValueError(f'{names[0]} and {names[1]} must have one shape, '
                         f'received {pair[0].shape} and {pair[1].shape}')
    return pair


def _flushed(matrix):
    """The matrix with 0 in place of denormal numbers.

    Some platforms' arithmetic takes them for 0 and some does not: whole
    numbers tell them alike on all.
    """
    bits = lax.bitcast_convert_type(lax.stop_gradient(matrix), jnp.int32)
    return jnp.where(bits & 0x7fffffff < 0x00800000, 0.0, matrix)


def _mask(mask, matrix):
    """The mask as bool [..., n], broadcast to the matrices' batch."""
    if mask is None:
        return jnp.ones(matrix.shape[:-1], bool)
    mask = jnp.asarray(mask)
    n = matrix.shape[-1]
    if mask.dtype != jnp.bool_ or mask.ndim < 1 or mask.shape[-1] != n:
        raise ValueError(f'mask must be bool with shape [..., {n}], received '
                         f'{mask.dtype} {mask.shape}')
    return jnp.broadcast_to(mask, matrix.shape[:-1])
