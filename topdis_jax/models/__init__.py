"""Encoders, decoders and discriminators of the published experiments.

Everything here is a flax.linen module: parameters are a plain pytree, apply
is pure, all arithmetic is float32, and there is no batch statistic anywhere.

Shapes: `images [b, h, w, c]` in [0, 1], `z [m, d]` latents, `logits
[m, h, w, c]` whose sigmoid is the decoded image.
"""

from topdis_jax.models.discriminators import ImageDiscriminator
from topdis_jax.models.discriminators import LatentDiscriminator
from topdis_jax.models.networks import ConvDecoder, ConvEncoder, MLP
from topdis_jax.models.vae import latent_weights, NETWORKS, VAE  # noqa: F401

__all__ = ('ConvDecoder', 'ConvEncoder', 'ImageDiscriminator',
           'LatentDiscriminator', 'MLP', 'VAE', 'latent_weights')
