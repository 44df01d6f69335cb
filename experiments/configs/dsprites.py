"""dSprites, published networks and settings (1e6 steps, TopDis from 1e5).

As published: beta-TCVAE with beta 6 (an MLP), or control_vae, which follows
the colon, with the set point rising to 18; TopDis with weight 5.

    python -m experiments.run --config=experiments/configs/dsprites.py \
        --config.data.root=FOLDER --workdir=runs/dsprites
"""

from experiments.configs import base


def get_config(family='beta_tcvae'):
    config = base.get_config(family)
    config.data.name = 'dsprites'
    if family == 'beta_tcvae':
        config.model.network = 'mlp'
    return config
