"""3D Shapes, published networks and settings (1e6 steps, TopDis from 1e5).

    python -m experiments.run --config=experiments/configs/shapes3d.py \
        --config.data.root=FOLDER --workdir=runs/shapes3d
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.data.name = 'shapes3d'
    return config
