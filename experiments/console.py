"""What the entry points have in common: errors in one message, scores."""

import contextlib
import logging
import os
import sys

from absl import app
from absl import logging as absl_logging

from experiments import compiled, flags_parser
from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.training import checkpoints, interrupts, loop
from topdis_jax.training import config as configs
from topdis_jax.training import page, processes, workfolder

# Before Matplotlib is imported: what it says of a cache folder that it cannot
# write to would come before our own message.
logging.getLogger('matplotlib').setLevel(logging.ERROR)

# What a user can put right: told in one message, without a traceback.
_USER_ERRORS = (configs.SettingsError, sources.DataError,
                workfolder.WorkFolderError, loop.TrainingDiverged,
                evaluate.ScoreError, checkpoints.CheckpointError,
                processes.ElsewhereError)


def start(main, parser=flags_parser.plain):
    """Runs main() as a program once flags are parsed; ends with messages.

    main gets the other arguments, if the parser lets any through.
    """
    def checked(argv):
        with ending_with_messages():
            compiled.keep()
            main(*argv[1:])

    absl_logging.set_verbosity(absl_logging.WARNING)
    app.run(checked, flags_parser=parser)


@contextlib.contextmanager
def ending_with_messages():
    """Ends the program with a message; after a signal with its status."""
    # What goes wrong while saving is raised; its traceback is no news.
    logging.getLogger('absl').addFilter(_not_of_orbax)
    sys.unraisablehook = _hook
    try:
        yield
    except _USER_ERRORS as error:
        sys.exit(f'Error: {error}')
    except interrupts.Interrupted as signal:
        sys.exit(signal.exit_status)
    except KeyboardInterrupt:
        print('\nInterrupted.', file=sys.stderr)
        sys.exit(130)


def _not_of_orbax(record):
    return 'orbax' not in record.pathname


def _hook(raised):
    """sys.unraisablehook, but for what a save or restore that failed leaves.

    The reads and writes that it had under way report to its event loop, which
    is closed by then, each with a traceback.
    """
    if not (isinstance(raised.exc_value, RuntimeError)
            and 'Event loop is closed' in str(raised.exc_value)):
        sys.__unraisablehook__(raised)


def print_scores(folder, scores):
    print(f'Scores of {folder}:')
    width = max(map(len, scores)) + 2
    for name, value in scores.items():
        print(f'  {name:<{width}}{value:.4f}' if isinstance(value, float)
              else f'  {name:<{width}}{value}')


def print_files(folder):
    """One line that names the scores' file and the pictures of a run.

    On stderr: stdout has the scores alone, for programs that read them.
    """
    pictures = sorted(name for name in os.listdir(folder)
                      if name.endswith(('.png', '.gif')))
    print(f'In {folder}: scores in scores.json, pictures in '
          f'{", ".join(pictures)}, all of it on one page, {page.NAME}',
          file=sys.stderr)
