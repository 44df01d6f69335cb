"""MPI3D, real images of complicated shapes, published settings.

As published: FactorVAE with gamma 5, TopDis with weight 6, its gradient
orthogonalized. Another family may follow the colon.

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
