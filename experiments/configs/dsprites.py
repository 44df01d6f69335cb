"""dSprites, published networks and settings (1e6 steps, TopDis from 1e5).

    python -m experiments.run --config=experiments/configs/dsprites.py \
        --config.data.root=FOLDER --workdir=runs/dsprites
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.data.name = 'dsprites'
    return config
