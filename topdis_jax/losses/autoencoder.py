"""The topological term of RTD-AE."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import topology
from topdis_jax.losses.inputs import as_float32


def rtd_autoencoder_loss(x: ArrayLike, z: ArrayLike, *,
                         scale: ArrayLike = 1.0, num_bars: int | None = 50,
                         power: ArrayLike = 1, engine: str = 'auto',
                         capacity: int | None = None) -> jax.Array:
    """RTD between a batch of inputs and their codes, the loss of RTD-AE.

    Added to a reconstruction loss, it keeps the topology of the data in the
    codes. Distances are divided by the root of the dimension:

        RTD_min(dist(x) / sqrt(D), scale * dist(z) / sqrt(d))

    Source: Trofimov et al., Learning Topology-Preserving Data
    Representations, ICLR 2023 (RTD-AE), where `scale` is learned.

    Args:
      x: [n, ...] float, inputs, of D numbers each.
      z: [n, d] float, their codes. Differentiated, as is x.
      scale: [] float above 0, of the codes; may be differentiated.
      num_bars, power, engine, capacity: see `topology.rtd`.

    Returns:
      Scalar float32.

    Raises:
      ValueError: different numbers of rows. TypeError: not floating.
    """
    x, z = as_float32(x=x, z=z)
    if x.ndim < 2 or z.ndim != 2 or len(x) != len(z):
        raise ValueError('x [n, ...] and z [n, d] must have the same rows, '
                         f'received {x.shape} and {z.shape}')
    dist_x, dist_z = (
        topology.pairwise_distances(cloud) / math.sqrt(
            max(1, math.prod(cloud.shape[1:]))) for cloud in (x, z))
    return topology.rtd(dist_x, jnp.asarray(scale, jnp.float32) * dist_z,
                        num_bars=num_bars, power=power, forms='min',
                        engine=engine, capacity=capacity)
