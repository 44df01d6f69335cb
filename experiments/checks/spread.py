r"""Is a batch spread over devices the mathematics of one device?

    python -m experiments.checks.spread [--families=vae,dava] \
        [--devices=1,2,4,8]

Trains each family for 50 steps with the topological loss, orthogonalized, on
as many fake devices of the CPU, and beside it by the plain step, which knows
of no devices. Prints, for each,
  the largest relative difference of a term of the loss over all steps, and of
    the final parameters (norm of the difference, array by array), computed in
    float64: what differs by more than rounding is another mathematics;
  how the largest relative difference of a term grows in float32 on the most
    devices, beside that of the plain step from parameters that are one unit in
    the last place off: where the two go together, it is rounding.
Exits with 1 if a float64 difference is above --tolerance.

    python -m experiments.checks.spread --processes=2 --devices=4

does the first for devices that are shared out over several processes.
"""

import contextlib
import os
import subprocess
import sys
from unittest import mock

from absl import app, flags, logging
from flax import jax_utils
import jax
import jax.numpy as jnp
import numpy as np

from experiments import fake_devices
from experiments.configs import sprites
from topdis_jax.data import pipeline, sources
from topdis_jax.topology import barcode, distances
from topdis_jax.topology.engines import primitive
from topdis_jax.training import families, processes, state as states, steps

_FAMILIES = ('vae', 'factor_vae', 'beta_tcvae', 'dava')
_AXIS, _DELAY = 'batch', 5
_SHOWN = (1, 6, 10, 20, 30, 40, 50)  # steps
# In exact arithmetic 0 once the gradient is projected: all rounding.
_NOT_COMPARED = {'conflict_after'}


def make_config(family):
    config = sprites.get_config(family)
    config.model.hidden = config.model.decoder_hidden = (64, 64)
    if family == 'factor_vae':
        config.objective.discriminator_hidden = (64, 64)
    config.topdis.orthogonalize = True
    config.topdis.engine = 'host'
    return config


# The module; its package has a function of this name. What is traced without
# its jit is not taken from what was traced before.


@contextlib.contextmanager
def float64():
    """Has all be computed in double precision, but for the order of edges.

    The package asks for float32 by name. The barcode's engine gets rounded
    distances: it says which edges count, not how long they are.
    """
    entries, some_bars = primitive.pair_entries, barcode._some_bars

    def rounded(matrices, *rest):
        return entries([x.astype(np.float32) for x in matrices], *rest)

    with jax.enable_x64(True), mock.patch.object(
            jnp, 'float32', jnp.float64), mock.patch.object(
            primitive, 'pair_entries', rounded), mock.patch.object(
            barcode, '_some_bars', some_bars.__wrapped__), mock.patch.object(
            distances, '_order_statistics', _sorted_statistics):
        yield


def _sorted_statistics(values, rank, last):
    """In place of a bisection on the bits of float32."""
    ordered = jnp.sort(values)
    return ordered[rank], ordered[jnp.minimum(rank + 1, last)]


def train(config, dataset, count, devices=None, change=lambda x: x):
    """Terms of `count` steps, {name: [values]}, and the final parameters.

    Args:
      config: the run's configuration.
      dataset: FactorDataset.
      count: how many steps.
      devices: number of them, or None for the plain step.
      change: of each array of the first state's parameters.
    """
    axis_name = devices and _AXIS
    model = states.make_model(config, dataset.image_shape)
    objective = families.make_objective(config, len(dataset), axis_name)
    state = states.create_state(config, model, objective)
    state = jax.tree.map(_widened, state._replace(
        params=jax.tree.map(change, state.params)))
    step_for = [_compiled(config, model, objective, topdis, devices)
                for topdis in (False, True)]
    if devices:
        state = jax_utils.replicate(state, _local(devices))
    terms = {}
    for step in range(count):
        state, metrics = step_for[step >= _DELAY](
            state, _batch(config, dataset, objective, step, devices))
        for name, value in _on_host(metrics).items():
            terms.setdefault(name, []).append(np.ravel(value)[0])
    params = _on_host((state.params, state.carry))
    if devices:
        params = jax.tree.map(lambda x: np.asarray(x)[0], params)
    return terms, params


def _local(devices):
    """Those of this process among the first devices."""
    return [device for device in jax.devices()[:devices]
            if device.process_index == jax.process_index()]


def _on_host(tree):
    """Of arrays over devices, the first device's part."""
    return jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), tree)


def _widened(x):
    """float64 if that is switched on: initial values are float32."""
    wide = jnp.issubdtype(x.dtype, jnp.floating) and jax.config.jax_enable_x64
    return x.astype(jnp.float64) if wide else x


def _compiled(config, model, objective, topdis, devices):
    step = steps.make_step(
        config, model, objective, states.make_optimizer(config), topdis=topdis,
        axis_name=devices and _AXIS)
    if not devices:
        return jax.jit(step)
    return jax.pmap(step, axis_name=_AXIS, devices=jax.devices()[:devices])


def _batch(config, dataset, objective, step, devices):
    part = (jax.process_index(), jax.process_count()) if devices else (0, 1)
    batches = {name: pipeline.batch(
        dataset, config.seed, step, config.train.batch_size, stream=stream,
        part=part) for stream, name in enumerate(objective.batches)}
    if devices:
        return {name: pipeline.shard(images, len(_local(devices)))
                for name, images in batches.items()}
    return batches


def difference_by_step(one, other):
    """Largest relative difference of the terms at each step, [steps]."""
    names = one.keys() - _NOT_COMPARED
    # Terms of the topological loss begin later: at the end all are there.
    rows = np.zeros((len(names), max(map(len, one.values()))))
    for row, name in zip(rows, sorted(names)):
        a, b = (np.asarray(terms[name], np.float64) for terms in (one, other))
        row[-len(a):] = np.abs(a - b) / np.where(a == 0, 1, np.abs(a))
    return rows.max(axis=0)


def parameter_difference(one, other):
    """Largest relative norm of the difference of two arrays of a pytree."""
    def relative(a, b):
        norm = np.linalg.norm(a)
        return np.linalg.norm(np.asarray(a - b, np.float64)) / (norm or 1)
    return max(jax.tree.leaves(jax.tree.map(relative, one, other)))


def compare_exactly(family, dataset, counts, count):
    """Prints the rows of a family in float64; the largest difference."""
    config, largest = make_config(family), 0.0
    with float64():
        terms, params = train(config, dataset, count)
        for devices in counts:
            others, changed = train(config, dataset, count, devices)
            found = (difference_by_step(terms, others).max(),
                     parameter_difference(params, changed))
            _say(f'{family:<14}{devices:>8}{found[0]:>14.1e}'
                 f'{found[1]:>14.1e}')
            largest = max(largest, *found)
    return largest


def compare_growth(family, dataset, devices, count):
    """Prints how differences grow in float32."""
    config = make_config(family)
    terms, _ = train(config, dataset, count)

    def show(name, *args, **options):
        others, _ = train(config, dataset, count, *args, **options)
        by_step = difference_by_step(terms, others)
        _say(f'{family:<14}{name:>10}' + ''.join(
            f'{by_step[:step].max():>9.0e}' for step in _SHOWN
            if step <= count))

    show(f'{devices} devices', devices)
    show('1 ulp off', change=lambda x: jnp.nextafter(x, jnp.inf))


def _say(line):
    if processes.is_first():
        print(line, flush=True)


def run(names, counts, count, tolerance):
    dataset = sources.load('sprites_small')
    _say(f'float64, {count} steps: largest relative difference from the plain '
         f'step\n{"family":<14}{"devices":>8}{"losses":>14}{"parameters":>14}')
    largest = max([compare_exactly(name, dataset, counts, count)
                   for name in names])
    if jax.process_count() == 1:
        _say('\nfloat32: largest relative difference of a term up to step\n'
             f'{"family":<24}' + ''.join(f'{s:>9}' for s in _SHOWN
                                         if s <= count))
        for name in names:
            compare_growth(name, dataset, max(counts), count)
    if not largest <= tolerance:
        sys.exit(f'Error: {largest:.1e} is above the tolerance, {tolerance}')


def start_all(count):
    """Starts this program `count` times, joined; the worst exit status."""
    coordinator = fake_devices.free_address()
    started = [subprocess.Popen(
        [sys.executable, '-m', 'experiments.checks.spread', *sys.argv[1:],
         f'--coordinator={coordinator}', f'--process={index}'])
        for index in range(count)]
    return max(abs(process.wait()) for process in started)


def main():
    """Flags are defined here, for tests import other programs beside."""
    names = flags.DEFINE_list('families', list(_FAMILIES), 'Which.')
    counts = flags.DEFINE_list('devices', ['1', '2', '4', '8'], 'How many.')
    count = flags.DEFINE_integer('steps', 50, 'How many.', lower_bound=1)
    tolerance = flags.DEFINE_float('tolerance', 1e-4, 'Relative.')
    several = flags.DEFINE_integer(
        'processes', 1, 'That share the devices.', lower_bound=1)
    coordinator = flags.DEFINE_string('coordinator', None, 'Set by itself.')
    process = flags.DEFINE_integer('process', None, 'Set by itself.')

    def start(argv):
        del argv
        devices = [int(number) for number in counts.value]
        if several.value > 1 and (
                len(devices) > 1 or devices[0] % several.value):
            raise app.UsageError(
                f'--devices={",".join(counts.value)}: with several processes '
                f'it must be one multiple of their number, {several.value}')
        if several.value > 1 and process.value is None:
            sys.exit(start_all(several.value))
        logging.set_verbosity(logging.ERROR)
        # Most of the time is compilation.
        os.environ.setdefault('XLA_FLAGS',
                              '--xla_backend_optimization_level=0')
        fake_devices.make(max(devices) // several.value)
        if process.value is None:
            return run(names.value, devices, count.value, tolerance.value)
        processes.join(coordinator.value, several.value, process.value)
        with processes.ending_together():
            run(names.value, devices, count.value, tolerance.value)

    app.run(start)


if __name__ == '__main__':
    main()
