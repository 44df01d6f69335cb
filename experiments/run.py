"""Trains a VAE, scores it and draws its latents.

    python -m experiments.run --config=experiments/configs/NAME.py[:FAMILY] \
        --workdir=DIR [--config.key=value ...]

The same command again goes on from the last checkpoint.
"""

import json
import os

from absl import app, flags, logging
import jax
from ml_collections import config_flags

from experiments import console
from topdis_jax import plots
from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.topology import persistence
from topdis_jax.training import loop, settings, workfolder

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'Configuration file; a family may follow a colon.',
    lock_config=True)
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder of the run; created if it does not exist.')


def _give_threads_to_fake_devices():
    """Before the first use of a device.

    Several CPU devices in one process wait for one another's host callbacks,
    on a pool of as many threads as there are cores: with few cores they may
    wait for ever. NPROC is what sizes the pool.
    """
    if 'host_platform_device_count' in os.environ.get('XLA_FLAGS', ''):
        os.environ.setdefault('NPROC', '32')


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'unexpected argument {argv[1]!r}')
    _give_threads_to_fake_devices()
    with console.told():
        scores = run(_CONFIG.value, _WORKDIR.value)
    console.print_scores(_WORKDIR.value, scores)


def run(config, folder):
    """Checks, then trains; returns the final scores."""
    settings.check(config, jax.device_count())
    evaluate.check_names(config.eval.scores)
    dataset = sources.load(config.data.name, root=config.data.root or None,
                           source=config.data.source)
    settings.check_dataset(config, dataset)
    workfolder.prepare(folder, json.loads(config.to_json()))
    if config.topdis.weight > 0:
        persistence.warm_up()

    def draw(model, rows):
        plots.draw_run(folder, model, dataset, rows, seed=config.seed,
                       delay=config.topdis.delay)

    return loop.train(config, folder, dataset, draw)


if __name__ == '__main__':
    flags.mark_flags_as_required(['config', 'workdir'])
    logging.set_verbosity(logging.WARNING)
    app.run(main, flags_parser=console.flags_parser(_CONFIG, 'seed'))
