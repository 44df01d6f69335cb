"""What a shift along an axis does to a cloud of generated images."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import lax
import jax.numpy as jnp

from topdis_jax import topology
from topdis_jax.losses import divergences

_TURNS = 3  # of the search for a shift
_NEAR = 0.97  # of a shift, where its slope is taken
_SHORTEST = 1e-3  # shift, in deviations of the codes
_ENOUGH = 0.9  # of the change that is asked for
_SHORTFALL = 10.0  # what an axis pays that changes the images by less
_LENGTH = 0.1  # what it pays for a shift of one standard deviation


class Problem(NamedTuple):
    """What a search leaves as it is.

    Attributes:
      generate, divergence, share, reach, batch_size: see `find`.
      sample: function of a key and a number -> codes.
      components: [c, d], orthonormal rows. Axes [c] are combinations of them.
      spread: [c, c], whose product with its transpose is the covariance of
        the codes along them.
    """
    generate: Callable[[jax.Array], jax.Array]
    sample: Callable[[jax.Array, int], jax.Array]
    components: jax.Array
    spread: jax.Array
    divergence: str | Callable
    share: float
    reach: float
    batch_size: int


class Measured(NamedTuple):
    """What shifts along axes do, [k] each.

    Attributes:
      divergence: of the decoded cloud and its shift.
      shift: how far codes were shifted.
      change: mean change of the images, as a share of their mean distance.
      length: the shift in standard deviations of the codes along the axis.
    """
    divergence: Any
    shift: Any
    change: Any
    length: Any


def measure(problem: Problem, axis: jax.Array, key: jax.Array) -> Measured:
    """Shifts one batch along an axis [c] of length 1; [] each, differentiable.

    The key decides the batch and the way. See `find` for the equations.
    """
    key_codes, key_sign = jax.random.split(key)
    codes = problem.sample(key_codes, problem.batch_size)
    codes = codes.astype(jnp.float32)
    way = jax.random.rademacher(key_sign, (), jnp.float32) * (
        axis @ problem.components)
    before = problem.generate(codes)
    dist = topology.pairwise_distances(before)
    scale = mean_off_diagonal(dist)

    def shifted(shift):
        return problem.generate(codes + shift * way[None])

    def change(after):
        return _mean_distance(before, after) / scale

    deviation = jnp.linalg.norm(axis @ problem.spread)
    shift = _solve(lambda shift: change(shifted(shift)), problem.share,
                   deviation, problem.reach)
    after = shifted(shift)
    loss = _divergence(problem.divergence, dist,
                       topology.pairwise_distances(after))
    return Measured(loss, shift, change(after), shift / deviation)


def cost(problem: Problem, measured: Measured,
         unit: float | jax.Array) -> jax.Array:
    """What an axis minimizes, []; see `find`. `unit`: of the divergence."""
    short = _ENOUGH - measured.change / problem.share
    return (measured.divergence / unit + _LENGTH * measured.length
            + _SHORTFALL * jnp.maximum(short, 0.0))


def mean_off_diagonal(dist: jax.Array) -> jax.Array:
    """Mean [] of distances [n, n] of different points."""
    return jnp.sum(dist) / (len(dist) * (len(dist) - 1))


def _solve(change, share, deviation, reach):
    """The shift [] at which change(shift) = share, or the longest allowed.

    Its derivative is that of the implicit function: the last step is Newton's,
    with a slope that counts as constant.
    """
    low, high = _SHORTEST * deviation, reach * deviation
    shift = share * deviation
    for _ in range(_TURNS):
        factor = share / jnp.maximum(change(shift), 1e-9)
        shift = lax.stop_gradient(
            jnp.clip(shift * jnp.clip(factor, 1 / 8, 8.0), low, high))
    value = change(shift)
    slope = (value - change(_NEAR * shift)) / (shift - _NEAR * shift)
    # Where images hardly change any more, Newton's step leads too far.
    slope = lax.stop_gradient(
        jnp.maximum(slope, jnp.maximum(0.2 * value, 1e-9) / shift))
    return jnp.clip(shift + (share - value) / slope, low, high)


def _mean_distance(x, y):
    """Mean distance of rows of x and y [n, ...]; derivative 0 at distance 0.
    """
    change = (x - y).astype(jnp.float32).reshape(len(x), -1)
    square = jnp.sum(change ** 2, axis=1)
    positive = square > 0
    root = jnp.sqrt(jnp.where(positive, square, 1.0))
    return jnp.mean(jnp.where(positive, root, 0.0))


def _divergence(name, dist_x, dist_y):
    """As in the TopDis loss, of two clouds' distances [n, n]."""
    return divergences.compare(
        name, _scaled(dist_x), _scaled(dist_y), jnp.ones(len(dist_x), bool),
        forms=('min', 'max'), axis_name=None,
        bars=dict(num_bars=50, power=1, engine='auto', capacity=None))


def _scaled(dist):
    """Distances by their quantile, which autodiff takes for a constant.

    The mean, which changes nothing, it does not: an axis along which all
    distances grow alike has derivative 0.
    """
    mean = mean_off_diagonal(dist)
    return topology.scale_by_quantile(
        dist / jnp.where(mean > 0, mean, 1.0))
