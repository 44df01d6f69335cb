"""A VAE with Gaussian latents."""

from collections.abc import Sequence
import math
from typing import Any

import flax.linen as nn
import jax
from jax import lax
import jax.numpy as jnp

from topdis_jax.models.inputs import check_channels, check_image_shape
from topdis_jax.models.inputs import check_images, check_latents
from topdis_jax.models.networks import ConvDecoder, ConvEncoder
from topdis_jax.models.networks import default_channels, default_width, MLP

NETWORKS = ('conv', 'mlp')


class VAE(nn.Module):
    """Encoder and decoder of a VAE with Gaussian latents.

    'conv' is one of the two convolutional networks of FactorVAE (Kim & Mnih,
    2018), which the TopDis experiments use: the gray one (1 channel, width
    128) and the color one (3 channels, width 256). Stride-2 4x4 convolutions
    with 32, 32, 64, 64 channels, a 4x4 one to a vector of `width`, a dense
    layer to mean and log variance; the decoder is the mirror image; ReLU
    between. For 32x32 images the second layer is left out (32, 64, 64); larger
    ones have further layers of 64 channels, and where halving ends with an odd
    side, as for 48 or 80, the 4x4 convolution has that side.
    The large network that TopDis takes on dSprites for all families but
    FactorVAE is channels=(32, 64, 128, 256), width=512. Initially dense and
    convolution kernels are N(0, 0.02) with zero bias; transposed convolutions
    keep PyTorch's default (see `ConvTranspose`).

    'mlp' is the network of Chen et al. (2018) for beta-TCVAE on dSprites,
    which TopDis does not take: ReLU in the encoder, tanh in the decoder, and
    PyTorch's default for dense layers, kernel and bias uniform within
    1/sqrt(inputs), as in that work.

    Initialize with `VAE().init(rng, images)`; then, with the resulting
    variables, `apply(variables, images, method='encode')` and
    `apply(variables, z, method='decode')`.

    Attributes:
      network: 'conv' or 'mlp'.
      latents: number d of latents.
      image_shape: (h, w, c); 'conv' takes squares of any multiple of 16,
        1 or 3 channels.
      channels: of 'conv': channels of the encoder's stride-2 convolutions, one
        for each halving; empty: as said above.
      width: of 'conv': size of the layer next to the latents; None is 128 for
        1 channel, 256 for 3. (Published for 3D Faces: 256 with 1 channel.)
      hidden: of 'mlp': sizes of the encoder's hidden layers.
      decoder_hidden: of 'mlp': sizes of the decoder's hidden layers.
      xla_only: use XLA's own convolutions on CPU too; only speed differs.
      initialization: of 'conv', of the layers that are not transposed:
        'normal' (published but for ControlVAE), 'kaiming' (published for
        ControlVAE) or 'pytorch'; see `convolutions.initializers`.
      log_sigma: the encoder gives log standard deviations, as published for
        beta-TCVAE; `encode` still returns log variances.
    """
    network: str = 'conv'
    latents: int = 10
    image_shape: Sequence[int] = (64, 64, 1)
    width: int | None = None
    hidden: Sequence[int] = (1200, 1200)
    decoder_hidden: Sequence[int] = (1200, 1200, 1200)
    xla_only: bool = False
    channels: Sequence[int] = ()
    initialization: str = 'normal'
    log_sigma: bool = False

    def setup(self) -> None:
        _check_vae(self)
        shape = tuple(self.image_shape)
        self.encoder: nn.Module
        self.decoder: nn.Module
        if self.network == 'mlp':
            self.encoder = MLP(self.hidden, 2 * self.latents, nn.relu)
            self.decoder = MLP(
                self.decoder_hidden, math.prod(shape), jnp.tanh)
            return
        options: dict[str, Any] = dict(
            channels=tuple(self.channels) or default_channels(shape[0]),
            width=self.width or default_width(shape),
            xla_only=self.xla_only, initialization=self.initialization)
        self.encoder = ConvEncoder(outputs=2 * self.latents, **options)
        self.decoder = ConvDecoder(
            image_channels=shape[2],
            top=shape[0] >> len(options['channels']), **options)

    def encode(self, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Mean and log variance of q(z | x).

        Args:
          images: [b, h, w, c] floating, in [0, 1].

        Returns:
          (mean [b, d], log variance [b, d]).

        Raises:
          ValueError: the images are not floating or not of `image_shape`.
        """
        images = check_images(images, self.image_shape)
        if self.network == 'mlp':
            images = images.reshape(images.shape[0],
                                    math.prod(self.image_shape))
        outputs = self.encoder(images)
        mean, log_var = outputs[:, :self.latents], outputs[:, self.latents:]
        return mean, 2 * log_var if self.log_sigma else log_var

    def decode(self, z: jax.Array) -> jax.Array:
        """Logits of the images; their sigmoid is the image.

        Args:
          z: [m, d].

        Returns:
          [m, h, w, c].

        Raises:
          ValueError: z is not [m, d].
        """
        z = check_latents(z, self.latents)
        return self.decoder(z).reshape(z.shape[0], *self.image_shape)

    def __call__(self, images: jax.Array) -> tuple[
            jax.Array, jax.Array, jax.Array]:
        """(mean, log variance, logits of the decoded mean): to initialize."""
        mean, log_var = self.encode(images)
        return mean, log_var, self.decode(mean)


def latent_weights(params: Any) -> jax.Array:
    """Norm of the decoder's first weights of each latent; no gradient.

    The Euclidean norm of the weights from latent i to the decoder's first
    layer. TopDis samples the dimension to shift by it.

    Args:
      params: of a `VAE`, either network, with or without the outer 'params'.

    Returns:
      [d].

    Raises:
      ValueError: these are not the parameters of a `VAE`.
    """
    params = params.get('params', params)
    try:
        kernel = params['decoder']['latents']['kernel']
    except (KeyError, TypeError):
        raise ValueError(
            'latent_weights expects the parameters of a VAE, with '
            "['decoder']['latents']['kernel']; received the keys "
            f'{sorted(params)}.') from None
    # The norm has no gradient at a dead latent, and none is wanted.
    return jnp.linalg.norm(lax.stop_gradient(kernel), axis=1)


def _check_vae(model):
    if model.network not in NETWORKS:
        raise ValueError(f'network is one of {NETWORKS}; received '
                         f'{model.network!r}.')
    shape = tuple(model.image_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError('image_shape is (height, width, channels); received '
                         f'{shape}.')
    if model.latents < 1:
        raise ValueError('latents is the number of latents, at least 1; '
                         f'received {model.latents}.')
    if model.network == 'conv':
        check_image_shape(shape)
        if model.channels:
            check_channels(model.channels, shape[0], 'channels',
                           'model.channels')
    elif not model.hidden or not model.decoder_hidden:
        raise ValueError(
            'hidden and decoder_hidden need at least one size each; received '
            f'{model.hidden} and {model.decoder_hidden}.')
