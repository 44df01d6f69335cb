"""dSprites: the release's two commands.

beta_tcvae: beta 6, learning rate 1e-3, 100 epochs. control_vae, which follows
the colon: the set point rises to 18. Both with TopDis of weight 5 from step
100,000 on, and with a large network. Of the other families the networks are
the release's, the settings ours. Line by line: docs/published.md.

    python -m experiments.run --config=experiments/configs/dsprites.py \
        --config.data.root=FOLDER --workdir=runs/dsprites
"""

from experiments.configs import base

CHANNELS, WIDTH = (32, 64, 128, 256), 512
IMAGES = 737_280


def get_config(family='beta_tcvae'):
    config = base.get_config(family)
    config.data.name = 'dsprites'
    if family != 'factor_vae':  # which has the small network in the release
        config.model.channels = CHANNELS
        config.model.width = WIDTH
    if family == 'beta_tcvae':
        config.train.learning_rate = 1e-3
        config.train.steps = 100 * IMAGES // config.train.batch_size
    if family == 'dava':
        config.objective.discriminator_channels = CHANNELS
        config.objective.discriminator_width = WIDTH
    return config
