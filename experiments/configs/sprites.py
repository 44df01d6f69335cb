"""Rendered sprites, 32 x 32: the default, made for a laptop's CPU.

    python -m experiments.run --config=experiments/configs/sprites.py \
        --workdir=runs/sprites
"""

from experiments.configs import base

# What suits each family in so short a training: schedules shortened like it,
# and discriminators as fast as the model. See
# docs/results/selection.md.
OBJECTIVES = {
    'beta_vae': {'beta': 4.0},
    'beta_tcvae': {'beta': 6.0},
    'factor_vae': {'gamma': 20.0, 'discriminator_hidden': (400,) * 3,
                   'discriminator_learning_rate': 5e-4},
    'control_vae': {'kl_rise_every': 60},
    # Fewer channels than the encoder's 32, 64, 64, which take most of a step
    # on a CPU. For images of 32 x 32; () fits all sizes.
    'dava': {'discriminator_channels': (8, 16, 32),
             'capacity_threshold': 512_000,
             'discriminator_learning_rate': 5e-4}}


def get_config(family='beta_vae'):
    config = base.get_config(family)
    config.model.network = 'mlp'
    config.model.hidden = (400, 400)
    config.model.decoder_hidden = (400, 400)
    config.objective.update(OBJECTIVES.get(family, {}))
    config.topdis.weight = 5.0
    config.topdis.delay = 2000
    config.topdis.fresh = False
    config.train.steps = 12_000
    config.train.batch_size = 64
    config.train.learning_rate = 5e-4
    config.train.checkpoint_every = 1000
    config.train.eval_every = 4000
    config.eval.scores = ('mig', 'factor_vae', 'sap', 'dci_2000')
    return config
