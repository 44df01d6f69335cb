"""What a training step costs, side by side in one process.

    python -m experiments.benchmarks.step [--part=topdis,convolutions] \
        [--steps=30]

Prints milliseconds per step (median of alternating rounds), one device:
  topdis: each family, MLP on sprites_small, batch 64, 10 latents: without the
    topological loss, with it, and with it orthogonalized; ratios, the second
    also of arithmetic operations as the compiler counts them; and persistence:
    what a step with the loss is quicker by if its bars are fixed.
  convolutions: a step of the convolutional VAE, batch 64, 64 x 64, with XLA's
    own convolutions and with the form that the package uses on this backend.
  divergences (only if asked for): a beta-VAE's step with each divergence,
    batches of 64 and 256, by each engine, and the share of persistence.
  devices (only if asked for): the first family's step with the loss on 1, 2
    and 4 fake devices that share the CPU, and what of it goes into collectives
    and into barcodes: what the step is quicker by if each device takes its own
    rows for those of the others, or fixed bars for those of the engine. By the
    clock, which counts waiting (other programs too), and in processor time.
"""

import contextlib
import dataclasses
import os
import time
from unittest import mock

from absl import app, flags
from flax import jax_utils
import jax
import jax.numpy as jnp
import numpy as np

from experiments import fake_devices
from experiments.configs import sprites
from topdis_jax import collectives
from topdis_jax.data import pipeline, sources
from topdis_jax.losses import divergences
from topdis_jax.topology import barcode
from topdis_jax.topology.engines import host, primitive
from topdis_jax.training import families, state as states, steps

_PART = flags.DEFINE_list('part', ['topdis', 'convolutions'],
                          'Which of the tables: topdis, convolutions, '
                          'divergences, devices.')
_STEPS = flags.DEFINE_integer('steps', 30, 'Steps in a round.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Rounds; the median counts.')


# Seconds of a round after which the further ones have one step.
_LONG_ROUND = 20


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


def make_candidate(config, image_shape, *, topdis, native=False, patches=()):
    """A step on one device, traced with parts of it replaced."""
    model = states.make_model(config, image_shape).clone(xla_only=native)
    objective = families.make_objective(config, dataset_size=46080)
    step = steps.make_step(config, model, objective,
                           states.make_optimizer(config), topdis=topdis)
    return Candidate(jax.jit(_patched(step, patches), donate_argnums=0),
                     states.create_state(config, model, objective))


def _patched(step, patches):
    def patched(state, batch):
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            return step(state, batch)

    return patched


@contextlib.contextmanager
def _fixed_bars():
    """Traces without the jit around barcodes, which would return what it has
    traced before."""
    traced_anew = barcode._some_bars.__wrapped__
    with mock.patch.object(barcode, '_some_bars', traced_anew), \
            mock.patch.object(primitive, 'pair_entries', _fixed_entries):
        yield


def measure(candidates, batches):
    """Times all candidates in turn, round after round."""
    for candidate in candidates.values():
        _run(candidate, batches, 3)
    count = dict.fromkeys(candidates, _STEPS.value)
    for _ in range(_ROUNDS.value):
        for name, candidate in candidates.items():
            start, cpu = time.perf_counter(), time.process_time()
            _run(candidate, batches, count[name])
            elapsed = time.perf_counter() - start
            candidate.times.append(elapsed / count[name])
            candidate.cpu.append((time.process_time() - cpu) / count[name])
            if elapsed > _LONG_ROUND:
                count[name] = 1


def _run(candidate, batches, count):
    for i in range(count):
        candidate.state, metrics = candidate.step(
            candidate.state, batches[i % len(batches)])
        jax.block_until_ready(metrics)


def topdis_table():
    dataset = sources.load('sprites_small')
    batches = [{'images': pipeline.batch(dataset, 0, step, 64),
                'second': pipeline.batch(dataset, 0, step, 64, stream=1)}
               for step in range(16)]
    print('\nMLP (400-400), sprites_small, batch 64, 10 latents; ms per step')
    print(f'{"family":<14}{"without":>9}{"with":>9}{"ratio":>7}'
          f'{"orthogonal":>12}{"ratio":>7}{"operations":>12}'
          f'{"persistence":>13}{"share":>8}')
    for family in families.FAMILIES:
        config = sprites.get_config(family)
        crossed = config.copy_and_resolve_references()
        crossed.topdis.orthogonalize = True
        candidates = {
            'without': make_candidate(config, dataset.image_shape,
                                      topdis=False),
            'with': make_candidate(config, dataset.image_shape, topdis=True),
            'orthogonal': make_candidate(crossed, dataset.image_shape,
                                         topdis=True),
            'fixed': make_candidate(config, dataset.image_shape, topdis=True,
                                    patches=[_fixed_bars()])}
        operations = (_operations(candidates['orthogonal'], batches[0])
                      / _operations(candidates['without'], batches[0]))
        measure(candidates, batches)
        off, on, crossed, fixed = (c.median() for c in candidates.values())
        print(f'{family:<14}{off:>9.2f}{on:>9.2f}{on / off:>7.2f}'
              f'{crossed:>12.2f}{crossed / off:>7.2f}{operations:>12.2f}'
              f'{on - fixed:>13.3f}{1 - fixed / on:>8.1%}', flush=True)


def divergence_table():
    dataset = sources.load('sprites_small')
    print('\nbeta-VAE, MLP (400-400), sprites_small; ms per step')
    print(f'{"batch":<7}{"divergence":<12}{"engine":<8}{"step":>8}'
          f'{"ratio":>7}{"persistence":>13}')
    for size in (64, 256):
        batches = [{'images': pipeline.batch(dataset, 0, step, size)}
                   for step in range(8)]
        candidates = _by_divergence(dataset, size)
        measure(candidates, batches)
        off = candidates.pop(('none', '')).median()
        print(f'{size:<7}{"none":<12}{"":<8}{off:>8.2f}')
        for name, engine in candidates:
            if engine == 'fixed':
                continue
            step = candidates[name, engine].median()
            share = ''  # spanning trees have no bars
            if (name, 'fixed') in candidates:
                fixed = candidates[name, 'fixed'].median()
                share = f'{1 - fixed / step:.0%}'
            print(f'{size:<7}{name:<12}{engine:<8}{step:>8.2f}'
                  f'{step / off:>7.2f}{share:>13}', flush=True)


def _by_divergence(dataset, size):
    """Candidates by (divergence, engine); 'fixed' has bars of no engine."""
    def candidate(name='rtd', engine='auto', topdis=True, patches=()):
        # Each its own: a step reads its configuration when it is traced.
        config = sprites.get_config('beta_vae')
        config.train.batch_size = size
        config.topdis.divergence, config.topdis.engine = name, engine
        return make_candidate(config, dataset.image_shape, topdis=topdis,
                              patches=patches)

    candidates = {('none', ''): candidate(topdis=False)}
    for name in divergences.BY_NAME:
        has_bars = name != 'rtd_lite'
        for engine in ('host', 'xla') if has_bars else ('',):
            candidates[name, engine] = candidate(name, engine or 'auto')
        if has_bars:
            candidates[name, 'fixed'] = candidate(name,
                                                  patches=[_fixed_bars()])
    return candidates


def _operations(candidate, batch):
    return candidate.step.lower(
        candidate.state, batch).compile().cost_analysis()['flops']


def convolution_table():
    config = sprites.get_config()
    config.model.network = 'conv'
    print('\nConvolutional VAE, batch 64, without TopDis; ms per step')
    print(f'{"images":<14}{"XLA":>9}{"ours":>9}{"ratio":>7}')
    for shape in ((64, 64, 1), (64, 64, 3), (32, 32, 1)):
        rng = np.random.default_rng(0)
        batches = [{'images': rng.integers(0, 256, (64, *shape), np.uint8)}
                   for _ in range(4)]
        candidates = {
            native: make_candidate(config, shape, topdis=False, native=native)
            for native in (True, False)}
        measure(candidates, batches)
        native, ours = (c.median() for c in candidates.values())
        print(f'{"x".join(map(str, shape)):<14}{native:>9.1f}{ours:>9.1f}'
              f'{native / ours:>7.2f}')


def devices_table():
    config, dataset = sprites.get_config(), sources.load('sprites_small')
    print('\nMLP (400-400), sprites_small, batch 64, with TopDis, on fake '
          f'devices of {os.cpu_count()} cores; ms per step')
    head = f'{"collectives":>13}{"barcodes":>10}'
    print(f'{"devices":<8}{"clock":>8}{head}{"processor":>11}{head}')
    for count in (1, 2, 4):
        alone = mock.patch.multiple(collectives, **_without_collectives(count))
        candidates = {name: make_spread_candidate(config, dataset, count,
                                                  patches)
                      for name, patches in (('all', ()), ('alone', [alone]),
                                            ('fixed', [_fixed_bars()]))}
        batches = [{'images': pipeline.shard(
            pipeline.batch(dataset, 0, step, 64), count)}
            for step in range(16)]
        measure(candidates, batches)
        line = f'{count:<8}'
        for width, median in ((8, Candidate.median),
                              (11, Candidate.cpu_median)):
            step, *without = map(median, candidates.values())
            alone, fixed = (1 - quicker / step for quicker in without)
            line += f'{step:>{width}.2f}{alone:>13.0%}{fixed:>10.0%}'
        print(line, flush=True)


def make_spread_candidate(config, dataset, count, patches):
    """A step on `count` devices, traced with parts of it replaced."""
    model = states.make_model(config, dataset.image_shape)
    objective = families.make_objective(config, len(dataset), 'batch')
    step = steps.make_step(config, model, objective,
                           states.make_optimizer(config), topdis=True,
                           axis_name='batch')
    used = jax.devices()[:count]
    state = states.create_state(config, model, objective)
    return Candidate(
        jax.pmap(_patched(step, patches), axis_name='batch', donate_argnums=0,
                 devices=used),
        jax_utils.replicate(state, used))


def _without_collectives(count):
    """Those of topdis_jax.collectives, of the same shapes, each alone."""
    return {'gather': lambda tree, axis: jax.tree.map(
                lambda x: jnp.concatenate([x] * count), tree),
            'total': lambda tree, axis: tree,
            'mean': lambda tree, axis: tree}


def _fixed_entries(matrices, pairs, mask, num_bars, engine):
    """Bars that no one computed, all of them in use."""
    del matrices, engine
    shape = (len(pairs), *mask.shape[:-1], num_bars)
    place = jnp.broadcast_to(jnp.arange(num_bars), shape)
    births, deaths = (jnp.stack([place, place + i], -1) for i in (1, 2))
    return host.Entries(births, deaths, jnp.zeros(shape, bool),
                        jnp.full(shape[:-1], num_bars))


def main(argv):
    del argv
    tables = {'topdis': topdis_table, 'convolutions': convolution_table,
              'divergences': divergence_table, 'devices': devices_table}
    if 'devices' in _PART.value:
        fake_devices.make(4)
    print(f'{jax.default_backend()}, {jax.devices()[0].device_kind}')
    for part in _PART.value:
        if part not in tables:
            raise app.UsageError(f'--part: {part!r} is none of {list(tables)}')
        tables[part]()


if __name__ == '__main__':
    app.run(main)
