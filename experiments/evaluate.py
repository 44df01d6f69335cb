"""Scores a run's checkpoint, without training, and rewrites its scores.json.

    python -m experiments.evaluate --workdir=DIR [--scores=mig,sap,dci] \
        [--checkpoint=latest|best]
"""

import os

from absl import app, flags, logging

from experiments import console, trained
from topdis_jax.metrics import evaluate
from topdis_jax.training import inference, loop

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
        scores = score(_WORKDIR.value, _SCORES.value,
                       best=_CHECKPOINT.value == 'best')
    console.print_scores(_WORKDIR.value, scores)


def score(folder, names=None, best=False):
    """Scores a checkpoint of the run in `folder`; returns them by name."""
    if names is not None:
        evaluate.check_names(names)
    run = trained.load(folder, best)
    if names is not None:
        run.config.eval.scores = tuple(names)
    scores = loop.score_model(
        run.config, run.dataset,
        inference.Compiled(run.model).inference(run.state.params))
    evaluate.write_scores(
        os.path.join(folder, 'scores.json'), scores,
        evaluate.settings(run.config.seed, int(run.state.step)))
    return scores


if __name__ == '__main__':
    flags.mark_flag_as_required('workdir')
    logging.set_verbosity(logging.WARNING)
    app.run(main)
