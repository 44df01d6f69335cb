"""Training steps that are timed: on one device or several, parts replaced."""

import contextlib
import dataclasses
import time
from unittest import mock

from flax import jax_utils
import jax
import jax.numpy as jnp
import numpy as np

from topdis_jax.topology import barcode
from topdis_jax.topology.engines import host, primitive
from topdis_jax.training import families, state as states, steps


@dataclasses.dataclass
class Candidate:
    """A step that is timed, with the state that it goes on from."""
    step: object
    state: object
    times: list = dataclasses.field(default_factory=list)
    cpu: list = dataclasses.field(default_factory=list)

    def median(self):
        return 1e3 * float(np.median(self.times))

    def cpu_median(self):
        return 1e3 * float(np.median(self.cpu))


def make(config, image_shape, *, topdis, xla_only=False, patches=(),
         devices=None):
    """A step, traced with parts of it replaced.

    Args:
      config: of a run.
      image_shape: (h, w, c).
      topdis: whether with the topological loss.
      xla_only: convolutions by XLA's own.
      patches: context managers that are entered while it is traced.
      devices: those that share a batch; None: a step without pmap.
    """
    axis_name = None if devices is None else 'batch'
    model = states.make_model(config, image_shape).clone(xla_only=xla_only)
    objective = families.make_objective(config, 46080, axis_name)
    step = _patched(steps.make_step(
        config, model, objective, states.make_optimizer(config),
        topdis=topdis, axis_name=axis_name), patches)
    state = states.create_state(config, model, objective)
    if devices is None:
        return Candidate(jax.jit(step, donate_argnums=0), state)
    return Candidate(jax.pmap(step, axis_name=axis_name, donate_argnums=0,
                              devices=devices),
                     jax_utils.replicate(state, devices))


def _patched(step, patches):
    def patched(state, batch):
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            return step(state, batch)

    return patched


@contextlib.contextmanager
def fixed_bars():
    """Traces without the jit around barcodes, which would return what it has
    traced before."""
    traced_anew = barcode._some_bars.__wrapped__
    with mock.patch.object(barcode, '_some_bars', traced_anew), \
            mock.patch.object(primitive, 'pair_entries', _fixed_entries):
        yield


def measure(candidates, batches, steps_a_round, rounds, round_seconds=20):
    """Times all candidates in turn, round after round.

    Args:
      candidates: {name: Candidate}; their `times` are appended to.
      batches: list, taken in turn.
      steps_a_round: at most; fewer where a round would take longer than
        round_seconds.
      rounds: the medians are over them.
    """
    count = {}
    for name, candidate in candidates.items():
        _run(candidate, batches, 1)  # compiles
        start = time.perf_counter()
        _run(candidate, batches, 2)
        once = (time.perf_counter() - start) / 2
        count[name] = min(steps_a_round, max(1, int(round_seconds / once)))
    for _ in range(rounds):
        for name, candidate in candidates.items():
            start, cpu = time.perf_counter(), time.process_time()
            _run(candidate, batches, count[name])
            elapsed = time.perf_counter() - start
            candidate.times.append(elapsed / count[name])
            candidate.cpu.append((time.process_time() - cpu) / count[name])


def _run(candidate, batches, count):
    """Steps one after another; none is waited for before the next is asked
    for, while training looks at the loss of each."""
    for i in range(count):
        candidate.state, metrics = candidate.step(
            candidate.state, batches[i % len(batches)])
    jax.block_until_ready((candidate.state, metrics))


def memory(candidate):
    """Bytes of a compiled step: state, batch, and what lies between."""
    sizes = candidate.step.memory_analysis()
    return (sizes.argument_size_in_bytes + sizes.temp_size_in_bytes
            + sizes.output_size_in_bytes - sizes.alias_size_in_bytes)


def _fixed_entries(matrices, pairs, mask, num_bars, engine):
    """Bars that no one computed, all of them in use."""
    del matrices, engine
    shape = (len(pairs), *mask.shape[:-1], num_bars)
    place = jnp.broadcast_to(jnp.arange(num_bars), shape)
    births, deaths = (jnp.stack([place, place + i], -1) for i in (1, 2))
    return host.Entries(births, deaths, jnp.zeros(shape, bool),
                        jnp.full(shape[:-1], num_bars))
