"""CelebA: no factors, hence no scores but the reconstruction error.

The network is the release's; it has no command for this data set, and the other
settings are ours.

    python -m experiments.run --config=experiments/configs/celeba.py \
        --config.data.root=FOLDER --workdir=runs/celeba
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.data.name = 'celeba'
    config.eval.scores = ()
    return config
