"""Rendered rooms in color, 32 x 32: made for a laptop's CPU.

    python -m experiments.run --config=experiments/configs/scenes.py \
        --workdir=runs/scenes

With --config.data.name=scenes --config.model.network=conv it has the factors
and the image size of 3D Shapes, for an accelerator.
"""

from experiments.configs import sprites


def get_config(family='beta_vae'):
    config = sprites.get_config(family)
    config.data.name = 'scenes_small'
    return config
