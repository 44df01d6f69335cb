r"""What a training step costs, side by side in one process.

    python -m experiments.benchmarks.step [--part=topdis,plain] \
        [--steps=30] [--peer=torch]

Prints milliseconds per step (median of alternating rounds), one device:
  topdis: each family, MLP on sprites_small, batch 64, 10 latents: without the
    topological loss, with it, and with it orthogonalized; ratios, the second
    also of arithmetic operations as the compiler counts them; and persistence:
    what a step with the loss is quicker by if its bars are fixed.
  plain: a beta-VAE's step without the loss, by an MLP and by convolutional
    networks, these with XLA's own convolutions as well as with the form that
    the package uses on this backend; beside PyTorch's with --peer=torch.
  devices (only if asked for): the first family's step with the loss on 1, 2
    and 4 fake devices that share the CPU, and what of it goes into collectives
    and into barcodes: what the step is quicker by if each device takes its own
    rows for those of the others, or fixed bars for those of the engine. By the
    clock, which counts waiting (other programs too), and in processor time.
"""

import os
from unittest import mock

from absl import app, flags
import jax
import jax.numpy as jnp
import numpy as np

from experiments import allocation, fake_devices
from experiments.benchmarks import candidates as steps
from experiments.benchmarks.candidates import Candidate, fixed_bars
from experiments.configs import sprites
from topdis_jax import collectives
from topdis_jax.data import pipeline, sources
from topdis_jax.training import families

_PART = flags.DEFINE_list('part', ['topdis', 'plain'],
                          'Which of the tables: topdis, plain, devices.')
_STEPS = flags.DEFINE_integer('steps', 30, 'Steps in a round.')
_PEER = flags.DEFINE_enum('peer', None, ['torch'],
                          'Also measure this program, which must be installed.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Rounds; the median counts.')


def _measure(candidates, batches):
    steps.measure(candidates, batches, _STEPS.value, _ROUNDS.value)


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
        shape = dataset.image_shape
        candidates = {
            'without': steps.make(config, shape, topdis=False),
            'with': steps.make(config, shape, topdis=True),
            'orthogonal': steps.make(crossed, shape, topdis=True),
            'fixed': steps.make(config, shape, topdis=True,
                                patches=[fixed_bars()])}
        operations = (_operations(candidates['orthogonal'], batches[0])
                      / _operations(candidates['without'], batches[0]))
        _measure(candidates, batches)
        off, on, crossed, fixed = (c.median() for c in candidates.values())
        print(f'{family:<14}{off:>9.2f}{on:>9.2f}{on / off:>7.2f}'
              f'{crossed:>12.2f}{crossed / off:>7.2f}{operations:>12.2f}'
              f'{on - fixed:>13.3f}{1 - fixed / on:>8.1%}', flush=True)


def _operations(candidate, batch):
    return candidate.step.lower(
        candidate.state, batch).compile().cost_analysis()['flops']


def plain_table():
    print('\nbeta-VAE without TopDis, batch 64; ms per step')
    print(f'{"network":<8}{"images":<10}{"XLA":>9}{"ours":>9}'
          + (f'{"PyTorch":>9}{"ratio":>7}' if _PEER.value else ''))
    for network, shape in (('mlp', (32, 32, 1)), ('conv', (64, 64, 1)),
                           ('conv', (64, 64, 3)), ('conv', (32, 32, 1))):
        rng = np.random.default_rng(0)
        batches = [{'images': rng.integers(0, 256, (64, *shape), np.uint8)}
                   for _ in range(4)]
        candidates = _plain_candidates(network, shape)
        _measure(candidates, batches)
        xla, ours, peer = (
            candidates[name].median() if name in candidates else None
            for name in ('xla', 'ours', 'peer'))
        print(f'{network:<8}{"x".join(map(str, shape)):<10}'
              + (f'{xla:>9.1f}' if xla else f'{"":>9}') + f'{ours:>9.1f}'
              + (f'{peer:>9.1f}{ours / peer:>7.2f}' if peer else ''),
              flush=True)


def _plain_candidates(network, shape):
    config = sprites.get_config()
    config.model.network = network
    found = {'ours': steps.make(config, shape, topdis=False)}
    if network == 'conv':
        found['xla'] = steps.make(config, shape, topdis=False, xla_only=True)
    if _PEER.value:
        from experiments.benchmarks import peer
        found['peer'] = peer.make(config, shape, found['ours'].state.params)
    return found


def devices_table():
    config, dataset = sprites.get_config(), sources.load('sprites_small')
    print('\nMLP (400-400), sprites_small, batch 64, with TopDis, on fake '
          f'devices of {os.cpu_count()} cores; ms per step')
    head = f'{"collectives":>13}{"barcodes":>10}'
    print(f'{"devices":<8}{"clock":>8}{head}{"processor":>11}{head}')
    for count in (1, 2, 4):
        alone = mock.patch.multiple(collectives, **_without_collectives(count))
        replaced = {'all': (), 'alone': [alone], 'fixed': [fixed_bars()]}
        candidates = {
            name: steps.make(config, dataset.image_shape, topdis=True,
                             patches=some, devices=jax.devices()[:count])
            for name, some in replaced.items()}
        batches = [{'images': pipeline.shard(
            pipeline.batch(dataset, 0, step, 64), count)}
            for step in range(16)]
        _measure(candidates, batches)
        line = f'{count:<8}'
        for width, median in ((8, Candidate.median),
                              (11, Candidate.cpu_median)):
            step, *without = map(median, candidates.values())
            alone, fixed = (1 - quicker / step for quicker in without)
            line += f'{step:>{width}.2f}{alone:>13.0%}{fixed:>10.0%}'
        print(line, flush=True)


def _without_collectives(count):
    """Those of topdis_jax.collectives, of the same shapes, each alone."""
    return {'gather': lambda tree, axis: jax.tree.map(
                lambda x: jnp.concatenate([x] * count), tree),
            'total': lambda tree, axis: tree,
            'mean': lambda tree, axis: tree}


def main(argv):
    del argv
    tables = {'topdis': topdis_table, 'plain': plain_table,
              'devices': devices_table}
    allocation.keep()  # as in training
    if 'devices' in _PART.value:
        fake_devices.make(4)
    print(f'{jax.default_backend()}, {jax.devices()[0].device_kind}')
    for part in _PART.value:
        if part not in tables:
            raise app.UsageError(f'--part: {part!r} is none of {list(tables)}')
        tables[part]()


if __name__ == '__main__':
    app.run(main)
