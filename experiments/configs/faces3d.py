"""3D Faces, published networks and settings (1e6 steps, TopDis from 1e5).

    python -m experiments.run --config=experiments/configs/faces3d.py \
        --config.data.root=FOLDER --workdir=runs/faces3d
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.data.name = 'faces3d'
    config.model.width = 256
    return config
