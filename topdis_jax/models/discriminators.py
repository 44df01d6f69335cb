"""Classifiers of codes and of images."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from topdis_jax.models.inputs import check_channels, check_image_shape
from topdis_jax.models.inputs import check_images, check_latents
from topdis_jax.models.networks import ConvEncoder, default_channels
from topdis_jax.models.networks import default_width
from topdis_jax.models.networks import dense


class LatentDiscriminator(nn.Module):
    """FactorVAE's classifier of latents: [b, d] -> two logits [b, 2].

    Class 0 are codes of one image, class 1 codes whose coordinates come from
    different images. Six hidden layers of 1000, leaky ReLU of slope 0.2 (Kim
    & Mnih, 2018); kernels N(0, 0.02), zero bias as in the VAE.

    Attributes:
      hidden: sizes of the hidden layers.
    """
    hidden: Sequence[int] = (1000,) * 6

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        x = check_latents(z)
        for i, features in enumerate(self.hidden):
            x = nn.leaky_relu(
                dense(features, f'dense_{i}', x.shape[1])(x), 0.2)
        return dense(2, 'out', x.shape[1])(x)


class ImageDiscriminator(nn.Module):
    """DAVA's classifier of decoded images: [b, h, w, c] -> one logit [b].

    The encoder's network (see `VAE`) with one output. DAVA (Estermann &
    Wattenhofer, 2023) normalizes each channel of each image after every
    stride-2 layer; its batch norm of the layer after these is left out here,
    because it would couple the images of a batch. For dSprites DAVA takes a
    larger network: channels=(32, 64, 128, 256), width=512.

    Attributes:
      channels: of the stride-2 convolutions; None is as in the VAE.
      width: size of the last hidden layer; None is as in the VAE.
      instance_norm: normalize as said above.
      xla_only, initialization: see `VAE`; published is 'pytorch'.
    """
    channels: Sequence[int] | None = None
    width: int | None = None
    instance_norm: bool = True
    xla_only: bool = False
    initialization: str = 'normal'

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        shape = images.shape[1:]
        images = check_images(images, shape)
        check_image_shape(shape)
        if self.channels:
            check_channels(self.channels, shape[0], 'channels',
                           'objective.discriminator_channels')
        channels = self.channels or default_channels(shape[0])
        logits = ConvEncoder(
            channels, self.width or default_width(shape), 1,
            instance_norm=self.instance_norm, xla_only=self.xla_only,
            initialization=self.initialization, name='encoder')(images)
        return logits.reshape(-1)
