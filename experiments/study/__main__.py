r"""Trains every cell of a grid: data set x variant x TopDis off/on x seed.

    python -m experiments.study --config=experiments/configs/study.py \
        --workdir=DIR [--jobs=N] [--config.seeds='(10,11)' ...]

Each cell is a run of experiments.run in a process and a folder of its own,
DIR/DATA/VARIANT/off|on/SEED. The same command again, or one with more seeds or
variants, trains what is not finished. Cells that fail are named at the end.
"""

import sys

from absl import flags
from ml_collections import config_flags

from experiments import console, flags_parser
from experiments.study import runner

_CONFIG = config_flags.DEFINE_config_file(
    'config', None, 'Configuration file of the study.', lock_config=True)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the study.')
_JOBS = flags.DEFINE_integer(
    'jobs', None, 'Cells at a time, which share the cores; one for each core '
    'if left out.', lower_bound=1)


def main():
    failed = runner.run(_CONFIG.value, _WORKDIR.value, _JOBS.value)
    if failed:
        sys.exit(runner.failures(failed))


if __name__ == '__main__':
    flags.mark_flag_as_required('workdir')
    console.start(main, flags_parser.with_config(_CONFIG, 'seeds', ['study']))
