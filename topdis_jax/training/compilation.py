"""A run's steps, all compiled before the first of them is taken."""

from collections.abc import Callable, Mapping
from concurrent import futures
import os
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from topdis_jax import progress

_Key = TypeVar('_Key')


class Steps:
    """The training steps without and with the topological loss.

    The first call compiles those that the run will take, so that what cannot
    be compiled is known at the start, and no step of a run stands still.
    """

    def __init__(self, jitted: Mapping[bool, Callable],
                 has_topdis: Callable[[int], bool], last: int,
                 shown: bool = True) -> None:
        """
        Args:
          jitted: a jitted step(state, batch) by whether it has the loss.
          has_topdis: step number -> whether that step has the loss; once it
            has, all that follow have.
          last: number of the last step.
          shown: False: no progress is printed.
        """
        self._jitted, self._has_topdis = jitted, has_topdis
        self._last, self._shown = last, shown
        self._compiled: dict[bool, Callable] = {}

    def __call__(self, number: int, state: Any, batch: Any) -> Any:
        """Takes step `number`; returns the new state and the metrics."""
        on = self._has_topdis(number)
        if on not in self._compiled:
            self._compile({on, self._has_topdis(self._last)}, state, batch)
        return self._compiled[on](state, batch)

    def _compile(self, wanted, state, batch):
        left = {on: step for on, step in self._jitted.items()
                if on in wanted and on not in self._compiled}
        which = ' and '.join('with' if on else 'without' for on in left)
        with progress.waiting(f'Compiling the training step {which} the '
                              'topological loss', self._shown):
            self._compiled.update(compile_all(left, state, batch))


def compile_all(jitted: Mapping[_Key, Any],
                *args: Any) -> dict[_Key, Callable]:
    """Compiles jitted functions of the same arguments at once, on all cores.

    Tracing holds Python's lock and is done one after another.

    In several processes each function is called on copies of its arguments
    instead: a pmap takes the arrays of its own process where it is called, but
    those of all processes where it was compiled ahead.
    """
    if jax.process_count() > 1:
        for function in jitted.values():
            jax.block_until_ready(function(*jax.tree.map(jnp.copy, args)))
        return dict(jitted)
    lowered = [function.lower(*args) for function in jitted.values()]
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = pool.map(lambda program: program.compile(), lowered)
        return dict(zip(jitted, compiled))
