"""Rendered sprites, 32 x 32: the default, made for a laptop's CPU.

    python -m experiments.run --config=experiments/configs/sprites.py \
        --workdir=runs/sprites
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.model.network = 'mlp'
    config.model.hidden = (400, 400)
    config.model.decoder_hidden = (400, 400)
    config.topdis.weight = 5.0
    config.topdis.delay = 2000
    config.topdis.fresh = False
    config.train.steps = 12_000
    config.train.learning_rate = 1e-3
    config.train.checkpoint_every = 1000
    config.train.eval_every = 4000
    return config
