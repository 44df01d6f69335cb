"""MPI3D, real images of complicated shapes: the release's command.

FactorVAE with gamma 5, TopDis of weight 6 from step 100,000 on, its gradient
orthogonalized. Another family may follow the colon, with settings of ours. Line
by line: docs/published.md.

    python -m experiments.run --config=experiments/configs/mpi3d.py \
        --config.data.root=FOLDER --workdir=runs/mpi3d
"""

from experiments.configs import base


def get_config(family='factor_vae'):
    config = base.get_config(family)
    config.data.name = 'mpi3d_complex'
    config.topdis.weight = 6.0
    config.topdis.orthogonalize = True
    return config
