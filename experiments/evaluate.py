r"""Scores a run's checkpoint, without training.

    python -m experiments.evaluate --workdir=DIR [--scores=mig,sap,dci] \
        [--checkpoint=latest|best]

Scores of the latest checkpoint go into scores.json, beside others that are
there of the same step; those of the best into scores_best.json.
"""

import os

from absl import flags

from experiments import console, trained
from topdis_jax.metrics import evaluate, table
from topdis_jax.training import inference, loop, page

_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run.')
_SCORES = flags.DEFINE_list(
    'scores', None, 'Names, separated by commas; those of the run if left '
    f'out. Known: {", ".join(table.SCORES)}.')
_CHECKPOINT = flags.DEFINE_enum(
    'checkpoint', 'latest', ('latest', 'best'), 'Which of the two.')


def main():
    scores = score(_WORKDIR.value, _SCORES.value,
                   best=_CHECKPOINT.value == 'best', given_as='--scores')
    console.print_scores(_WORKDIR.value, scores)


def score(folder, names=None, best=False, given_as='names'):
    """Scores a checkpoint of the run in `folder`; returns them by name.

    Writes them into scores.json, or scores_best.json. A message about the
    names calls them what they were `given_as`.
    """
    if names is not None:
        evaluate.check_names(names, given_as)
    run = trained.load(folder, best)
    if names is not None:
        run.config.eval.scores = tuple(names)
    scores = loop.score_model(
        run.config, run.dataset,
        inference.compile_model(run.model)(run.state.params))
    name = 'scores_best.json' if best else 'scores.json'
    evaluate.add_scores(
        os.path.join(folder, name), scores,
        evaluate.settings(run.config.seed, int(run.state.step)))
    page.write(folder)
    return scores


if __name__ == '__main__':
    flags.mark_flag_as_required('workdir')
    console.start(main)
