"""Directions of variation in a generator that is already trained."""

from collections.abc import Callable
import contextlib
import functools
from typing import Any, NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax import topology
from topdis_jax.losses import divergences
from topdis_jax.losses.inputs import check_images
from topdis_jax.topology import validity

__all__ = ('Directions', 'find')

_SAMPLE = 10_000  # codes whose principal components are taken
_STARTS = 4  # random axes compared for each restart
_BATCHES = 8  # that compare axes
_TURNS = 4  # of the search for a shift
_SHORTEST = 1e-3  # shift, in deviations of the codes
_ENOUGH = 0.9  # of the change that is asked for
_SHORTFALL = 10.0  # what an axis pays that changes the images by less
_LENGTH = 0.1  # what it pays for a shift of one standard deviation
_PROBES, _PROBE = 16, 0.5  # codes, and deviations to either side
_BETAS = 0.9, 0.99  # of Adam
# A component of less of the largest deviation is rounding.
_NEGLIGIBLE = 1e-4


class Directions(NamedTuple):
    """Axes found by `directions.find`, in the order in which they were found.

    Attributes:
      axes: [k, d] float32, orthonormal. The sign of an axis means nothing.
      divergence: [k], of the decoded cloud and its shift along each axis.
      history: [k, restarts, steps] float32, the divergence in each step; NaN
        where one axis alone was left, so that there was nothing to search.
      shift: [k], how far codes were shifted along each axis, in their own
        units; a traversal may go as far and farther.
      change: [k], mean change of the images by that shift, as a share of their
        mean distance. Below the `share` that was asked for, the axis barely
        changes the images.
    """
    axes: np.ndarray
    divergence: np.ndarray
    history: np.ndarray
    shift: np.ndarray
    change: np.ndarray


class _Measured(NamedTuple):
    """Of an axis, on one batch: [] each."""
    divergence: jax.Array
    shift: jax.Array
    change: jax.Array
    length: jax.Array  # the shift in standard deviations of the codes


class _Search(NamedTuple):
    """What stays fixed.

    Attributes:
      generate: see `find`.
      sample: function of a key and a number -> codes.
      components: [c, d], orthonormal rows. Axes are combinations of them.
      spread: [c, c], whose product with its transpose is the covariance of
        the codes along them.
      options: batch_size, divergence, share, reach, steps, learning_rate.
    """
    generate: Callable
    sample: Callable
    components: jax.Array
    spread: jax.Array
    options: dict[str, Any]


def find(generate: Callable[[jax.Array], jax.Array],
         codes: ArrayLike | Callable[[jax.Array, int], jax.Array], *,
         num_directions: int, candidates: int | None = None,
         divergence: str | Callable = 'rtd', share: float = 0.4,
         reach: float = 3.0, steps: int = 100, batch_size: int = 64,
         restarts: int = 3, learning_rate: float = 0.1, seed: int = 0,
         progress: bool = True) -> Directions:
    """Finds directions that change images and keep their cloud's topology.

    The generator g is not touched. For an axis a of length 1, a batch of codes
    is decoded to a cloud X = g(z) and its shift X' = g(z + s a), and both are
    compared as in `losses.topdis_loss`. The shift s is the one that changes
    the images by a given share of their own distances, so that an axis does
    not win by changing little:

        mean_i |g(z_i + s a) - g(z_i)| = share * mean_ij |g(z_i) - g(z_j)|

    where i and j differ. It is solved anew for each batch, and the gradient
    sees that s depends on a. Half of the batches go the other way. Let u be
    the standard deviation of the codes along a, and s at most reach * u, so
    that perhaps only a smaller share is reached. With r the median divergence
    of random axes, an axis minimizes

        RTD(X, X') / r + 0.1 s / u + 10 max(0, 0.9 - reached / share)

    The second term decides where the divergence does not: an axis must not
    mix in what the generator ignores, for that makes the shift longer. The
    third excludes an axis that hardly changes the images at all.

    Axes are found one after the other, each orthogonal to those before, by
    Adam on the sphere, from the best of random starts; the best of the
    restarts is kept, compared on the same batches.

    What it cannot find: where several directions keep the topology equally
    well, so do their mixtures, and any axes of their plane may come back. A
    shift along x + y is a translation like one along x.

    Sources: Balabin et al., Disentanglement Learning via Topology, ICML 2024
    (the loss, and its use on a trained GAN); Haerkoenen et al., GANSpace,
    NeurIPS 2020 (principal components as the space of directions). The
    equation for s and the terms beside the divergence are this package's.

    Args:
      generate: function of codes [m, d] to images [m, ...], floats of any
        range; traced by JAX and differentiated.
      codes: a sample [n, d] of the latent distribution, or a function
        (key, n) -> [n, d] that samples it.
      num_directions: k, how many to find.
      candidates: axes are combinations of so many leading principal components
        of the codes; None: all.
      divergence: see `losses.topdis_loss`.
      share: of the images' mean distance by which a shift changes them.
      reach: the longest shift, in standard deviations of the codes along the
        axis.
      steps: of each restart.
      batch_size: codes of a batch, at least 3.
      restarts: searches for each axis.
      learning_rate: of Adam, on a sphere of radius 1; it falls to 0.
      seed: of all that is random. The same seed gives the same axes.
      progress: shows a bar on stderr, if tqdm is installed.

    Returns:
      Directions.

    Raises:
      ValueError: wrong shapes or options, fewer usable components than
        directions, images that do not differ, or values that are not finite.
      TypeError: codes or images that are not floating.
    """
    count = validity.check_count('num_directions', num_directions)
    counts = dict(steps=(steps, 1), restarts=(restarts, 1),
                  batch_size=(batch_size, 3))
    for name, (value, least) in counts.items():
        validity.check_count(name, value, least)
    positive = dict(share=share, reach=reach, learning_rate=learning_rate)
    for name, value in positive.items():
        validity.check_option(name, value, lambda x: 0 < x < np.inf,
                              'be positive and finite')
    key, key_sample = jax.random.split(jax.random.key(seed))
    sample, known = _sampler(codes, key_sample, batch_size)
    components, deviations = _components(known, candidates)
    scale = _scale(generate, known[:batch_size])
    components = _effective(generate, known[:_PROBES], components, deviations,
                            share * scale / reach)
    if len(components) < count:
        raise ValueError(
            f'num_directions={count}, but only {len(components)} directions '
            f'change the images by share={share} within reach={reach}; ask '
            'for fewer, or take a smaller share or a greater reach')
    covariance = np.cov(np.asarray(known) @ components.T, rowvar=False)
    spread = np.linalg.cholesky(np.atleast_2d(covariance))
    search = _Search(generate, sample, *(
        jnp.asarray(x, jnp.float32) for x in (components, spread)), dict(
            positive, divergence=divergence, steps=steps,
            batch_size=batch_size))
    with _bar(count * restarts * steps, progress) as advance:
        return _find(search, key, count, restarts, advance)


def _sampler(codes, key, batch_size):
    """(function of a key and a number -> codes, a sample [n, d])."""
    if callable(codes):
        known = jnp.asarray(codes(key, _SAMPLE))
        _check_codes('codes(key, n)', known)
        if len(known) != _SAMPLE:
            raise ValueError(f'codes(key, {_SAMPLE}) must have shape '
                             f'[{_SAMPLE}, d], received {known.shape}')
        return codes, known
    known = jnp.asarray(codes)
    _check_codes('codes', known)
    if len(known) < batch_size:
        raise ValueError(f'codes must have at least batch_size={batch_size} '
                         f'rows, received {known.shape}; give more codes, a '
                         'function that samples them, or a smaller batch_size')
    return lambda key, n: jax.random.choice(
        key, known, (n,), replace=False), known


def _check_codes(name, codes):
    if codes.ndim != 2 or 0 in codes.shape:
        raise ValueError(f'{name} must have shape [n, d], '
                         f'received {codes.shape}')
    if not jnp.issubdtype(codes.dtype, jnp.floating):
        raise TypeError(f'{name} must be floating, received {codes.dtype}; '
                        'convert with codes.astype(jnp.float32)')
    if not jnp.all(jnp.isfinite(codes)):
        raise ValueError(f'{name} must be finite')


def _components(codes, candidates):
    """Leading principal components [c, d], and deviations along them [c]."""
    if candidates is not None:
        validity.check_count('candidates', candidates)
        if candidates > codes.shape[1]:
            raise ValueError(
                f'candidates must be at most {codes.shape[1]}, as codes are '
                f'{codes.shape}, received {candidates}')
    codes = np.asarray(codes, np.float64)
    variances, vectors = np.linalg.eigh(
        np.cov(codes.T, ddof=0).reshape(codes.shape[1], -1))
    deviations = np.sqrt(np.maximum(variances[::-1], 0))[:candidates]
    used = deviations > _NEGLIGIBLE * deviations[0]
    return vectors.T[::-1][:candidates][used], deviations[used]


def _scale(generate, codes):
    """Mean distance of the images of codes."""
    images = generate(codes)
    check_images('generate(codes)', images)
    if images.ndim < 2 or len(images) != len(codes):
        raise ValueError(f'generate(codes) must have shape [{len(codes)}, '
                         f'...], received {images.shape}')
    if not jnp.all(jnp.isfinite(images)):
        raise ValueError('generate(codes) must be finite')
    scale = float(_mean_off_diagonal(topology.pairwise_distances(images)))
    if scale == 0:
        raise ValueError('generate gives the same image for all codes')
    return scale


def _effective(generate, codes, components, deviations, least):
    """Orthonormal rows [e, d] that span what the generator responds to.

    Axes may mix in what it ignores without any change of the divergence. So
    that is left out: where one standard deviation of the codes changes images
    by less than `least`.
    """
    steps = jnp.asarray(deviations[:, None] * components, jnp.float32)

    @jax.jit
    def products(code):
        there, back = (generate(code + sign * _PROBE * steps)
                       for sign in (1, -1))
        slopes = (there - back).reshape(len(steps), -1) / (2 * _PROBE)
        return jnp.matmul(slopes, slopes.T, precision=lax.Precision.HIGHEST)

    mean = np.mean([products(code[None]) for code in codes], axis=0)
    squares, vectors = np.linalg.eigh(mean)
    kept = vectors.T[squares > least ** 2]
    return np.linalg.qr((kept @ steps).T)[0].T


def _mean_off_diagonal(dist):
    return jnp.sum(dist) / (len(dist) * (len(dist) - 1))


@contextlib.contextmanager
def _bar(total, shown):
    """A function to call after each step, with the divergence."""
    try:
        from topdis_jax import progress  # needs tqdm, which a search does not
    except ImportError:
        yield lambda value: None
        return
    with progress.Bar(total=total, desc='Finding directions', unit='step',
                      leave=False, disable=not shown) as bar:
        def advance(value):
            bar.show({'divergence': f'{value:.3f}'})
            bar.update()
        yield advance


def _find(search, key, count, restarts, advance):
    """Directions, one after the other."""
    size, steps = len(search.components), search.options['steps']
    key, key_compare = jax.random.split(key)
    # The same batches compare all axes.
    compare = functools.partial(jax.jit(functools.partial(_compare, search)),
                                key_compare)
    step = jax.jit(functools.partial(_step, search))
    found = np.zeros((count, size), np.float32)
    history = np.full((count, restarts, steps), np.nan, np.float32)
    unit, kept = None, []
    for i in range(count):
        key_starts, key_steps = jax.random.split(jax.random.fold_in(key, i))
        axes = _starts(search, key_starts, found, restarts)
        measured = [_checked(compare(axis)) for axis in axes]
        if unit is None:
            unit = float(np.median([m.divergence for m in measured])) or 1.0
        costs = [_cost(search, m, unit) for m in measured]
        if i < size - 1:  # else orthogonality leaves one axis
            axes = [axes[j] for j in np.argsort(costs)[:restarts]]
            for r in range(restarts):
                axes[r], history[i, r] = _descend(
                    step, axes[r], found, unit, jax.random.fold_in(
                        key_steps, r), steps, advance)
            measured = [_checked(compare(axis)) for axis in axes]
            costs = [_cost(search, m, unit) for m in measured]
        found[i] = axes[np.argmin(costs)]
        kept.append(measured[np.argmin(costs)])
    axes = _orthonormal(found.astype(np.float64) @ np.asarray(
        search.components, np.float64))
    columns = (np.array(column) for column in zip(*kept))
    divergence, shift, change, _ = columns
    return Directions(axes, divergence, history, shift, change)


def _checked(measured):
    """On the host, if the divergence is finite."""
    measured = _Measured(*map(np.asarray, measured))
    if not np.isfinite(measured.divergence):
        raise ValueError(
            'the divergence of a shift is not finite: generate gives NaN or '
            'infinity for shifted codes; a smaller reach keeps them nearer')
    return measured


def _orthonormal(axes):
    """Rows [k, d], orthonormal but for rounding, without it."""
    rows, signs = np.linalg.qr(axes.T)
    return (rows * np.sign(np.diagonal(signs))).T.astype(np.float32)


def _starts(search, key, found, restarts):
    """Random axes [_STARTS * restarts, c], orthogonal to those found.

    They are spread as codes are.
    """
    normal = jax.random.normal(
        key, (_STARTS * restarts, len(search.components)))
    return [_project(axis, found) for axis in normal @ search.spread.T]


def _project(axis, found):
    """The axis [c] of length 1, orthogonal to the rows [k, c]; zeros do."""
    axis = axis - (found @ axis) @ found
    return axis / jnp.linalg.norm(axis)


def _descend(step, axis, found, unit, key, steps, advance):
    """(the axis after all steps, divergences [steps])."""
    zeros, values = jnp.zeros_like(axis), []
    state = axis, zeros, zeros
    for i in range(steps):
        state, value = step(state, i, found, unit, jax.random.fold_in(key, i))
        values.append(float(value))
        advance(values[-1])
    return state[0], np.array(values)


def _step(search, state, i, found, unit, key):
    """A step of Adam, and back onto the sphere: (state, divergence)."""
    axis, mean, square = state

    def cost(axis):
        measured = _measure(search, _project(axis, found), key)
        return _cost(search, measured, unit), measured.divergence

    grad, value = jax.grad(cost, has_aux=True)(axis)
    mean = _BETAS[0] * mean + (1 - _BETAS[0]) * grad
    # One length for all components: Adam does not depend on the basis then.
    square = _BETAS[1] * square + (1 - _BETAS[1]) * jnp.sum(grad ** 2)
    corrected = mean / (1 - _BETAS[0] ** (i + 1))
    size = jnp.sqrt(square / (1 - _BETAS[1] ** (i + 1)))
    rate = search.options['learning_rate'] * (
        1 + jnp.cos(jnp.pi * i / search.options['steps'])) / 2
    axis = axis - rate * corrected / jnp.maximum(size, 1e-12)
    return (_project(axis, found), mean, square), value


def _cost(search, measured, unit):
    """What an axis minimizes; see `find`."""
    short = _ENOUGH - measured.change / search.options['share']
    return (measured.divergence / unit + _LENGTH * measured.length
            + _SHORTFALL * jnp.maximum(short, 0.0))


def _compare(search, key, axis):
    """Means over batches."""
    measured = lax.map(lambda key: _measure(search, axis, key),
                       jax.random.split(key, _BATCHES))
    return jax.tree.map(jnp.mean, measured)


def _measure(search, axis, key):
    """The divergence of a batch and its shift along an axis [c]."""
    options = search.options
    key_codes, key_sign = jax.random.split(key)
    codes = search.sample(key_codes, options['batch_size'])
    codes = codes.astype(jnp.float32)
    way = jax.random.rademacher(key_sign, (), jnp.float32) * (
        axis @ search.components)
    before = search.generate(codes)
    dist = topology.pairwise_distances(before)
    scale = _mean_off_diagonal(dist)

    def shifted(shift):
        return search.generate(codes + shift * way[None])

    def change(after):
        return _mean_distance(before, after) / scale

    deviation = jnp.linalg.norm(axis @ search.spread)
    shift = _solve(lambda shift: change(shifted(shift)), options['share'],
                   deviation, options['reach'])
    after = shifted(shift)
    loss = _divergence(options['divergence'], dist,
                       topology.pairwise_distances(after))
    return _Measured(loss, shift, change(after), shift / deviation)


def _solve(change, share, deviation, reach):
    """The shift [] at which change(shift) = share, or the longest allowed.

    Secants, from change(0) = 0 on. Their slopes are taken as constant, so that
    the derivative of the last turn is that of the implicit function.
    """
    low, high = _SHORTEST * deviation, reach * deviation
    old, old_value, shift = 0.0, 0.0, share * deviation
    for _ in range(_TURNS):
        shift = lax.stop_gradient(shift)
        value = change(shift)
        moved = shift - old
        slope = jnp.where(
            moved != 0, (value - old_value) / jnp.where(moved != 0, moved, 1),
            0)
        # Where images hardly change any more, a secant leads too far.
        slope = lax.stop_gradient(jnp.maximum(
            slope, jnp.maximum(0.2 * value, 1e-9) / shift))
        old, old_value = shift, lax.stop_gradient(value)
        shift = jnp.clip(shift + (share - value) / slope, low, high)
    return shift


def _mean_distance(x, y):
    """Mean distance of rows of x and y [n, ...]; derivative 0 at distance 0.
    """
    square = jnp.sum((x - y).reshape(len(x), -1) ** 2, axis=1)
    positive = square > 0
    root = jnp.sqrt(jnp.where(positive, square, 1.0))
    return jnp.mean(jnp.where(positive, root, 0.0))


def _divergence(name, dist_x, dist_y):
    """As in the TopDis loss, of two clouds' distances [n, n]."""
    return divergences.compare(
        name, topology.scale_by_quantile(dist_x),
        topology.scale_by_quantile(dist_y), jnp.ones(len(dist_x), bool),
        forms=('min', 'max'), axis_name=None,
        bars=dict(num_bars=50, power=1, engine='auto', capacity=None))
