"""The search for directions, one axis after the other, with restarts."""

from collections.abc import Callable
import contextlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax.directions import latents, shifts
from topdis_jax.directions.descent import Descent, project
from topdis_jax.directions.shifts import Measured, Problem
from topdis_jax.topology import validity

_STARTS = 2  # random axes compared for each restart


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


def find(generate: Callable[[jax.Array], jax.Array],
         codes: ArrayLike | Callable[[jax.Array, int], jax.Array], *,
         num_directions: int | None, candidates: int | None = None,
         divergence: str | Callable = 'rtd', share: float = 0.4,
         reach: float = 3.0, steps: int = 300, batch_size: int = 64,
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
      num_directions: k, how many to find; None: all that change the images.
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
    if num_directions is not None:
        validity.check_count('num_directions', num_directions)
    validity.check_count('steps', steps)
    validity.check_count('restarts', restarts)
    _check(batch_size, share=share, reach=reach, learning_rate=learning_rate)
    key, key_sample = jax.random.split(jax.random.key(seed))
    sample, known = latents.sampler(codes, key_sample, batch_size)
    components = latents.effective(
        generate, known, *latents.principal(known, candidates), share / reach)
    count = num_directions or max(len(components), 1)
    if len(components) < count:
        raise ValueError(
            f'num_directions={num_directions}, but only {len(components)} '
            f'directions change the images by share={share} within '
            f'reach={reach}; ask for fewer, or take a smaller share, a greater '
            'reach or more candidates')
    problem = Problem(
        generate, sample, jnp.asarray(components, jnp.float32),
        jnp.asarray(latents.spread_along(known, components), jnp.float32),
        divergence, share, reach, batch_size)
    searches = min(count, len(components) - 1) * restarts
    with _bar(searches * steps, progress) as advance:
        descent = Descent(problem, steps, learning_rate, advance)
        return _find(descent, key, count, restarts)


def measure(generate: Callable[[jax.Array], jax.Array],
            codes: ArrayLike | Callable[[jax.Array, int], jax.Array],
            axes: ArrayLike, *, divergence: str | Callable = 'rtd',
            share: float = 0.4, reach: float = 3.0, batch_size: int = 64,
            seed: int = 0) -> Measured:
    """The divergence of shifts along given axes, as `find` computes it.

    Axes of another source can be compared with those that were found.

    Args:
      generate, codes, divergence, share, reach, batch_size: see `find`.
      axes: [k, d], of any length.
      seed: of the batches, which are the same for all axes.

    Returns:
      Measured, [k] each.

    Raises:
      ValueError, TypeError: see `find`; or axes that are not [k, d], or 0.
    """
    _check(batch_size, share=share, reach=reach)
    key, key_sample = jax.random.split(jax.random.key(seed))
    sample, known = latents.sampler(codes, key_sample, batch_size)
    latents.check_generate(generate, known[:batch_size])
    axes = np.asarray(axes, np.float32)
    d = known.shape[1]
    if axes.ndim != 2 or axes.shape[1] != d or not np.all(axes.any(axis=1)):
        raise ValueError(f'axes must have shape [k, {d}], as codes have, and '
                         f'no row of zeros, received {axes.shape}')
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    problem = Problem(generate, sample, jnp.eye(d), jnp.asarray(
        latents.spread_along(known, np.eye(d)), jnp.float32), divergence,
        share, reach, batch_size)
    descent = Descent(problem)
    found = [descent.measure(jnp.asarray(axis), key) for axis in axes]
    return Measured(*map(np.array, zip(*found)))


def _check(batch_size, **positive):
    validity.check_count('batch_size', batch_size, 3)
    for name, value in positive.items():
        validity.check_option(name, value, lambda x: 0 < x < np.inf,
                              'be positive and finite')


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


def _find(descent, key, count, restarts):
    """Directions, one after the other."""
    problem = descent.problem
    size = len(problem.components)
    found = np.zeros((count, size), np.float32)
    history = np.full((count, restarts, descent.steps), np.nan, np.float32)
    key, key_measure = jax.random.split(key)
    unit, kept = None, []
    for i in range(count):
        key_starts, key_steps = jax.random.split(jax.random.fold_in(key, i))
        normal = jax.random.normal(key_starts, (_STARTS * restarts, size))
        # Spread as codes are.
        axes = [project(x, found) for x in normal @ problem.spread.T]
        measured = [descent.measure(axis, key_measure) for axis in axes]
        if unit is None:
            unit = float(np.median([m.divergence for m in measured])) or 1.0
        order = np.argsort([shifts.cost(problem, m, unit) for m in measured])
        if i < size - 1:  # else orthogonality leaves one axis
            ends = [descent.descend(axes[j], found, unit,
                                    jax.random.fold_in(key_steps, j))
                    for j in order[:restarts]]
            axes, history[i] = zip(*ends)
            measured = [descent.measure(axis, key_measure) for axis in axes]
        costs = [shifts.cost(problem, m, unit) for m in measured]
        found[i] = axes[np.argmin(costs)]
        kept.append(measured[np.argmin(costs)])
    axes = found.astype(np.float64) @ np.asarray(problem.components)
    divergence, shift, change, _ = (np.array(x) for x in zip(*kept))
    return Directions(_orthonormal(axes), divergence, history, shift, change)


def _orthonormal(axes):
    """Rows [k, d], orthonormal but for rounding, without it."""
    rows, signs = np.linalg.qr(axes.T)
    return (rows * np.sign(np.diagonal(signs))).T.astype(np.float32)
