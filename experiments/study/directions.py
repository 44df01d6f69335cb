"""Trains the runs of a study and finds directions in each.

    python -m experiments.study.directions \
        --config=experiments/configs/study.py:directions --workdir=DIR \
        [--jobs=N] [--config.seeds='(10,11)' ...]

Each cell is trained as by experiments.study, then searched by
experiments.directions with its own seed. The same command continues a study
that was stopped; a cell with a directions.json of the same options is
finished. Prints tables of all finished cells, also after Ctrl-C, and writes
their numbers into DIR/directions.json.
"""

import os
import sys

from absl import flags
from ml_collections import config_flags

from experiments import console, directions, flags_parser
from experiments.study import directions_results, grid, runner
from topdis_jax import files
from topdis_jax.data import sources


def stage(steps, rotations):
    """The search as a stage of the study.

    Args:
      steps: of each search.
      rotations: random sets of axes.
    """
    def arguments(config, cell):
        del config
        return [f'--seed={cell.seed}', f'--steps={steps}',
                f'--rotations={rotations}']

    def is_finished(config, cell, workdir):
        del config
        found = grid.read(cell.folder(workdir), directions.NAME)
        return found.get('options') == {
            'num_directions': None, 'steps': steps, 'seed': cell.seed,
            'rotations': rotations}

    return runner.Stage('experiments.directions', arguments, is_finished,
                        'directions.log')


def run(config, workdir, jobs=None, steps=300, rotations=20):
    """Trains and searches what is not finished; returns failures.

    Args:
      config, workdir, jobs: see runner.run.
      steps, rotations: see `stage`.

    Returns:
      [(cell, message)] of failures.

    Raises:
      KeyboardInterrupt: after it has printed the tables.
      DataError: data without factors.
    """
    for name in config.data:
        if not sources.of_config(config.run.data, name).factor_sizes:
            raise sources.DataError(
                f'{name} has no factors, which directions are compared by; '
                'take data that has some, or experiments.directions')
    search = stage(steps, rotations)
    try:
        failed = runner.run(config, workdir, jobs, (runner.TRAINING, search))
    except KeyboardInterrupt:
        report(config, workdir, search)
        raise
    report(config, workdir, search)
    return failed


def report(config, workdir, search):
    """Prints the tables of the runs that are finished; writes their numbers."""
    cells = sorted((cell for cell in grid.asked_cells(workdir)
                    if search.is_finished(config, cell, workdir)),
                   key=lambda cell: cell.seed)  # not as they were asked for
    if not cells:
        return
    results = [directions_results.describe(
        cell, grid.read(cell.folder(workdir), directions.NAME))
        for cell in cells]
    path = os.path.join(workdir, directions.NAME)
    files.write_json(path, results)
    print(directions_results.tables(results))
    print(path)


def main():
    """Flags are defined here, for tests import other programs beside."""
    config = config_flags.DEFINE_config_file(
        'config', None, 'Configuration file of the study.', lock_config=True)
    workdir = flags.DEFINE_string('workdir', None, 'Folder of the study.',
                                  required=True)
    jobs = flags.DEFINE_integer(
        'jobs', None, 'Cells at a time, which share the cores; one for each '
        'core if left out.', lower_bound=1)
    steps = flags.DEFINE_integer('steps', 300, 'Of each search.',
                                 lower_bound=1)
    rotations = flags.DEFINE_integer('rotations', 20, 'Random sets of axes.',
                                     lower_bound=2)

    def start():
        failed = run(config.value, workdir.value, jobs.value, steps.value,
                     rotations.value)
        if failed:
            sys.exit(runner.failures(failed))

    console.start(start, flags_parser.with_config(config, 'seeds', ['study']))


if __name__ == '__main__':
    main()
