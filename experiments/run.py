"""Trains a VAE, scores it and plots its latents.

Command: python -m experiments.run --config=experiments/configs/NAME.py[:FAMILY]
[--workdir=DIR] [--config.KEY=VALUE ...]

The same command again goes on from the last checkpoint.
"""

import contextlib
import json
import os
import sys

from absl import flags
import jax
from ml_collections import config_flags

from experiments import allocation, console, flags_parser
from topdis_jax import plots
from topdis_jax.data import correlation, digest, sources
from topdis_jax.metrics import evaluate
from topdis_jax.topology.engines import native
from topdis_jax.training import config as configs
from topdis_jax.training import families, lock, loop, memory, page
from topdis_jax.training import processes, tensorboard, workfolder

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, flags_parser.config_help(), lock_config=True)
_WORKDIR = flags.DEFINE_string(
    'workdir', None, 'Folder of the run; created if it does not exist. If '
    'left out, runs/CONFIG-FAMILY-seedSEED.')
_COORDINATOR = flags.DEFINE_string(
    'coordinator', None, 'host:port of process 0, for a run in several '
    "processes; 'auto' where the environment has it, as on TPU pods.")
_PROCESSES = flags.DEFINE_integer('processes', None, 'How many they are.')
_PROCESS = flags.DEFINE_integer('process', None, 'Which this is, from 0.')
_DIVERGENCES = {'rtd': 'RTD', 'srtd': 'SRTD', 'rtd_lite': 'RTD-Lite'}


def main():
    with contextlib.ExitStack() as stack:
        if _join():
            stack.enter_context(processes.ending_together())
            stack.enter_context(console.ending_with_messages())
        folder = _WORKDIR.value or _default_folder()
        scores = run(_CONFIG.value, folder)
    if processes.is_first():
        console.print_scores(folder, scores)
        console.print_files(folder)


def _default_folder():
    """runs/CONFIG-FAMILY-seedSEED."""
    path = config_flags.get_config_filename(flags.FLAGS['config'])
    name = os.path.basename(path.split(':')[0]).removesuffix('.py')
    config = _CONFIG.value
    return os.path.join(
        'runs', f'{name}-{config.model.family}-seed{config.seed}')


def _join():
    """Joins the processes of the run; returns whether there are several."""
    coordinator = _COORDINATOR.value
    named = coordinator not in (None, 'auto')
    for flag in (_PROCESSES, _PROCESS):
        if (flag.value is not None) != named:
            raise configs.SettingsError(
                '--processes and --process go with --coordinator=HOST:PORT, '
                f'received --{flag.name}={flag.value} and '
                f'--coordinator={coordinator}')
    if coordinator is not None:
        processes.join(coordinator if named else None, _PROCESSES.value,
                       _PROCESS.value)
    return coordinator is not None


def run(config, folder, on_row=None):
    """Checks, then trains; returns the final scores.

    Args:
      config: ml_collections.ConfigDict, as configs.NAME.get_config gives it.
      folder: the work folder.
      on_row: (row of the log) -> None, see `loop.train`.
    """
    configs.check(configs.resolve(config), jax.device_count())
    board = tensorboard.Writer(folder) if config.train.tensorboard else None
    evaluate.check_names(config.eval.scores, 'config.eval.scores')
    dataset = sources.of_config(config.data)
    configs.check_dataset(config, dataset)
    if dataset.factor_sizes:
        evaluate.check_possible(config.eval.scores, dataset.factor_sizes,
                                config.model.latents)
    memory.check(config, dataset.image_shape)
    with processes.first_prepares(
            lambda: _prepared(config, folder, dataset)):
        with _with_page(folder):
            return _train(config, folder, dataset, on_row, board)


@contextlib.contextmanager
def _with_page(folder):
    """Writes the run's page when the run ends, also if it is interrupted."""
    if not processes.is_first():
        yield
        return
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError, workfolder.WorkFolderError):
            page.write(folder)
        raise
    with workfolder.writing(folder):
        page.write(folder)


@contextlib.contextmanager
def _prepared(config, folder, dataset):
    """The work folder, locked and with its first files."""
    plain = json.loads(config.to_json())
    facts = digest.describe(dataset)
    # A folder of another run is not even locked.
    workfolder.check(folder, plain)
    workfolder.check_data(folder, facts)
    with lock.locked(folder):
        workfolder.prepare(folder, plain)
        workfolder.prepare_data(folder, facts)
        for line in [f'Work folder: {folder}', *configs.warnings(config)]:
            print(line, file=sys.stderr)
        _plot_correlation(folder, config, dataset)
        yield


def _train(config, folder, dataset, on_row, board):
    allocation.keep()
    family = families.FAMILIES[config.model.family]
    if config.topdis.weight > 0:
        native.warm_up()  # which says so if it compiles

    def plot(model, rows, step):
        plots.plot_run(folder, model, dataset, rows, seed=config.seed,
                       delay=config.topdis.delay,
                       labels={'topdis': _title(config.topdis),
                               **family.labels})
        if board is not None:
            board.pictures(step)

    def tell(row):
        if on_row is not None:
            on_row(row)
        with workfolder.writing(folder):
            if board is not None:
                board(row)
            # At the end `_with_page` writes it.
            if 'scores' in row and row['step'] < config.train.steps:
                page.write(folder)

    with contextlib.closing(board) if board else contextlib.nullcontext():
        return loop.train(config, folder, dataset, plot, tell)


def _title(options):
    """Of the panel of the topological loss."""
    name = _DIVERGENCES.get(options.divergence, options.divergence)
    power = '' if options.power == 1 else f', power {options.power:g}'
    return f'TopDis: {name} (scaled distance{power})'


def _plot_correlation(folder, config, dataset):
    """A picture of the correlated factors, if there are any."""
    sample = correlation.sampler(dataset, config.data.correlation)
    if sample is not None:
        plots.joint_histogram(
            os.path.join(folder, 'correlation.png'),
            dataset.factors_of(sample(config.seed, 0, 20_000)), dataset,
            [pair[:2] for pair in config.data.correlation])


if __name__ == '__main__':
    console.start(main, flags_parser.with_config(
        _CONFIG, 'seed', flags_parser.config_names()))
