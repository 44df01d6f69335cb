"""Scores a run's checkpoint, without training, and rewrites its scores.json.

    python -m experiments.evaluate --workdir=DIR [--scores=mig,sap,dci] \
        [--checkpoint=latest|best]
"""

import os

from absl import app, flags, logging
import ml_collections

from experiments import console
from topdis_jax.data import sources
from topdis_jax.metrics import evaluate
from topdis_jax.training import families, inference, loop, state as states
from topdis_jax.training import workfolder
from topdis_jax.training.checkpoints import Checkpoints

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_SCORES = flags.DEFINE_list(
    'scores', None, 'Names, separated by commas; those of the run if left '
    f'out. Known: {", ".join(evaluate.SCORES)}.')
_CHECKPOINT = flags.DEFINE_enum(
    'checkpoint', 'latest', ('latest', 'best'), 'Which of the two.')


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'unexpected argument {argv[1]!r}')
    with console.told():
        scores = run(_WORKDIR.value, _SCORES.value,
                     best=_CHECKPOINT.value == 'best')
    console.print_scores(_WORKDIR.value, scores)


def run(folder, names=None, best=False):
    """Scores a checkpoint of the run in `folder`; returns them by name."""
    config = ml_collections.ConfigDict(workfolder.read_config(folder))
    if names is not None:
        config.eval.scores = tuple(names)
    evaluate.check_names(config.eval.scores)
    dataset = sources.load(config.data.name, root=config.data.root or None,
                           source=config.data.source)
    model = states.make_model(config, dataset.image_shape)
    state = _restore(config, folder, model, len(dataset), best)
    scores = loop.score_model(
        config, dataset, inference.Compiled(model).inference(state.params))
    evaluate.write_scores(os.path.join(folder, 'scores.json'), scores,
                          evaluate.settings(config.seed, int(state.step)))
    return scores


def _restore(config, folder, model, dataset_size, best):
    """The state of a run's checkpoint."""
    family = families.make_family(config, dataset_size)
    path = os.path.join(os.path.abspath(folder), 'checkpoints')
    state = None
    if os.path.isdir(path):
        checkpoints = Checkpoints(path, read_only=True)
        state = checkpoints.restore(
            states.create_state(config, model, family), best)
        checkpoints.close()
    if state is None:
        raise workfolder.WorkFolderError(
            f'{folder} holds no checkpoint yet; train it first')
    return state


if __name__ == '__main__':
    flags.mark_flag_as_required('workdir')
    logging.set_verbosity(logging.WARNING)
    app.run(main)
