"""Isaac3D, 128 x 128 x 3.

The release of TopDis does not have this data set: all settings are ours, those
of 3D Shapes (1e6 steps, TopDis of weight 5 from 1e5 on). The network has one
convolution of 64 channels more.

    python -m experiments.run --config=experiments/configs/isaac3d.py
"""

from experiments.configs import base


def get_config(family='vae'):
    config = base.get_config(family)
    config.data.name = 'isaac3d'
    return config
