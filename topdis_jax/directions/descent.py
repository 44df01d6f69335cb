"""Adam on the sphere of axes."""

from collections.abc import Callable

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax.directions import shifts
from topdis_jax.directions.shifts import Measured, Problem

_BATCHES = 32  # that compare axes
_BETAS = 0.9, 0.99  # of Adam


class Descent:
    """Adam on the sphere of axes, compiled once."""

    def __init__(self, problem: Problem, steps: int = 0,
                 learning_rate: float = 0.0,
                 advance: Callable[[float], None] = lambda value: None
                 ) -> None:
        """`advance`: is called after each step, with the divergence."""
        self.problem, self.steps = problem, steps
        self._rate, self._advance = learning_rate, advance
        self._step = jax.jit(self._traced_step)
        self._measure = jax.jit(self._traced_measure)

    def measure(self, axis: jax.Array, key: jax.Array) -> Measured:
        """Measured, means over batches, on the host.

        Raises:
          ValueError: the divergence is not finite.
        """
        found = Measured(*map(np.asarray, self._measure(axis, key)))
        if not np.isfinite(found.divergence):
            raise ValueError(
                'the divergence of a shift is not finite: generate gives NaN '
                'or infinity for shifted codes; a smaller reach keeps them '
                'nearer')
        return found

    def _traced_measure(self, axis, key):
        measured = lax.map(
            lambda key: shifts.measure(self.problem, axis, key),
            jax.random.split(key, _BATCHES))
        return jax.tree.map(jnp.mean, measured)

    def descend(self, axis: jax.Array, found: np.ndarray, unit: float,
                key: jax.Array) -> tuple[jax.Array, np.ndarray]:
        """(the axis after all steps, divergences [steps]).

        Args:
          axis: [c] to begin with.
          found: [k, c], axes to be orthogonal to; zeros do not matter.
          unit: see `shifts.cost`.
          key: of all batches.
        """
        state, values = (axis, jnp.zeros_like(axis), jnp.float32(0)), []
        for i in range(self.steps):
            state, value = self._step(state, i, found, unit,
                                      jax.random.fold_in(key, i))
            values.append(float(value))
            self._advance(values[-1])
        return state[0], np.array(values)

    def _traced_step(self, state, i, found, unit, key):
        axis, mean, square = state

        def cost(axis):
            measured = shifts.measure(self.problem, project(axis, found), key)
            return (shifts.cost(self.problem, measured, unit),
                    measured.divergence)

        grad, value = jax.grad(cost, has_aux=True)(axis)
        # One square for the whole gradient, so that the basis of the axes
        # does not matter.
        mean = _BETAS[0] * mean + (1 - _BETAS[0]) * grad
        square = _BETAS[1] * square + (1 - _BETAS[1]) * jnp.sum(grad ** 2)
        corrected = mean / (1 - _BETAS[0] ** (i + 1))
        size = jnp.sqrt(square / (1 - _BETAS[1] ** (i + 1)))
        rate = self._rate * (1 + jnp.cos(jnp.pi * i / self.steps)) / 2
        axis = axis - rate * corrected / jnp.maximum(size, 1e-12)
        return (project(axis, found), mean, square), value


def project(axis: jax.Array, found: ArrayLike) -> jax.Array:
    """The axis [c] of length 1, orthogonal to the rows [k, c]; zeros do not
    matter."""
    axis = axis - (found @ axis) @ found
    return axis / jnp.linalg.norm(axis)
