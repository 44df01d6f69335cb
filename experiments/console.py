"""What the entry points have in common: errors in one message, scores."""

import contextlib
import logging
import sys

from absl import app
from absl import logging as absl_logging

from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.training import checkpoints, interrupts, loop
from topdis_jax.training import processes, settings, workfolder

# What a user can put right: told in one message, without a traceback.
_USER_ERRORS = (settings.SettingsError, sources.DataError,
                workfolder.WorkFolderError, loop.TrainingDiverged,
                evaluate.ScoreError, checkpoints.CheckpointError,
                processes.ElsewhereError)


def start(main, flags_parser=app.parse_flags_with_usage):
    """Runs main() as a program, within told(), once flags are parsed."""
    def checked(argv):
        if len(argv) > 1:
            raise app.UsageError(f'unexpected argument {argv[1]!r}')
        with told():
            main()

    absl_logging.set_verbosity(absl_logging.WARNING)
    app.run(checked, flags_parser=flags_parser)


@contextlib.contextmanager
def told():
    """Ends the program with a message; after a signal with its status."""
    # What goes wrong while saving is raised; its traceback is no news.
    logging.getLogger('absl').addFilter(_not_of_orbax)
    try:
        yield
    except _USER_ERRORS as error:
        sys.exit(f'Error: {error}')
    except interrupts.Interrupted as signal:
        sys.exit(signal.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)


def _not_of_orbax(record):
    return 'orbax' not in record.pathname


def flags_parser(config, key):
    """For start: one message for a key or a file that is not there.

    Args:
      config: the flag of a configuration file.
      key: one that every such file has, and no other.
    """
    def parse(argv):
        try:
            rest = app.parse_flags_with_usage(argv)
            fits = key in config.value  # what cannot be read raises here
        except (AttributeError, ImportError, KeyError, OSError,
                TypeError) as error:
            sys.exit(f'Error in --config: {error}')
        if not fits:
            sys.exit(f'Error in --config: this program needs {key!r}, which '
                     'the file does not have; experiments.run takes the '
                     'configuration of a run, experiments.study takes '
                     'experiments/configs/study.py')
        return rest

    return parse


def print_scores(folder, scores):
    print(f'Scores of {folder}:')
    width = max(map(len, scores)) + 2
    for name, value in scores.items():
        print(f'  {name:<{width}}{value:.4f}' if isinstance(value, float)
              else f'  {name:<{width}}{value}')
