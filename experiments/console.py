"""What the entry points tell a user: errors in one message, scores."""

import contextlib
import logging
import sys

from absl import app

from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.training import checkpoints, interrupts, loop
from topdis_jax.training import processes, settings, workfolder

# What a user can put right: told in one message, without a traceback.
_USER_ERRORS = (settings.SettingsError, sources.DataError,
                workfolder.WorkFolderError, loop.TrainingDiverged,
                evaluate.ScoreError, checkpoints.CheckpointError,
                processes.ElsewhereError)


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
    """For app.run: one message for a key or a file that is not there.

    Args:
      config: the flag of a configuration file.
      key: one that every such file has.
    """
    def parse(argv):
        try:
            rest = app.parse_flags_with_usage(argv)
            config.value[key]  # a file that cannot be read raises here
            return rest
        except (AttributeError, ImportError, KeyError, OSError,
                TypeError) as error:
            sys.exit(f'Error in --config: {error}')

    return parse


def print_scores(folder, scores):
    print(f'Scores of {folder}:')
    width = max(map(len, scores)) + 2
    for name, value in scores.items():
        print(f'  {name:<{width}}{value:.4f}' if isinstance(value, float)
              else f'  {name:<{width}}{value}')
