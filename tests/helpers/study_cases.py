"""A small study and work folders as its runs would leave them."""

import json
import os

import numpy as np
from PIL import Image

from experiments.study import grid
from experiments.configs import study


def config(**changes):
    """Two families, two seeds."""
    config = study.get_config()
    config.variants = ('beta_vae', 'beta_tcvae')
    config.seeds = (10, 11)
    config.overrides.beta_vae.objective.beta = 4.0
    config.overrides.beta_tcvae.objective.beta = 6.0
    config.run.train.steps = 7
    config.run.topdis.delay = 2
    config.run.eval.scores = ('mig', 'dci_2000')
    for key, value in changes.items():
        config[key] = value
    return config


def write_run(folder, scores, step=7):
    """What a run leaves of what a study looks at."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'scores.json'), 'w') as file:
        json.dump({**scores, 'settings': {'step': step}}, file)
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(
        os.path.join(folder, 'traversals.png'))


def finish(workdir, cell, mig, reconstruction=30.0):
    folder = cell.folder(workdir)
    write_run(folder, {'mig': mig, 'dci_2000': mig / 2, 'dci_2000_x': 0.5,
                       'reconstruction': reconstruction})
    grid.write_state(folder, 'finished', 90.0)
