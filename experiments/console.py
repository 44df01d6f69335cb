"""What the entry points tell a user: errors in one message, scores."""

import contextlib
import sys

from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.training import checkpoints, loop, settings, workfolder

# What a user can put right: told in one message, without a traceback.
_USER_ERRORS = (settings.SettingsError, sources.DataError,
                workfolder.WorkFolderError, loop.TrainingDiverged,
                evaluate.ScoreError, checkpoints.CheckpointError)


@contextlib.contextmanager
def told():
    """Ends the program with a message, or with 130 after Ctrl-C."""
    try:
        yield
    except _USER_ERRORS as error:
        sys.exit(f'Error: {error}')
    except KeyboardInterrupt:
        sys.exit(130)


def print_scores(folder, scores):
    print(f'Scores of {folder}:')
    for name, value in scores.items():
        print(f'  {name:<24}{value:.4f}' if isinstance(value, float)
              else f'  {name:<24}{value}')
