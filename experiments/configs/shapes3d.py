"""3D Shapes, 64 x 64 x 3.

The network is the release's; it has no command for this data set, and the other
settings are ours: 1e6 steps, TopDis of weight 5 from 1e5 on.

    python -m experiments.run --config=experiments/configs/shapes3d.py \
        --config.data.root=FOLDER --workdir=runs/shapes3d
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.data.name = 'shapes3d'
    return config
