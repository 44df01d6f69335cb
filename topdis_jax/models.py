"""Encoders, decoders and discriminators of the published experiments.

Everything here is a flax.linen module: parameters are a plain pytree, apply
is pure, all arithmetic is float32, and there is no batch statistic anywhere.

Shapes: `images [b, h, w, c]` in [0, 1], `z [m, d]` latents, `logits
[m, h, w, c]` whose sigmoid is the decoded image.
"""

from collections.abc import Callable, Sequence
import math

import flax.linen as nn
from jax import lax
import jax.numpy as jnp

from topdis_jax import convolutions

NETWORKS = ('conv', 'mlp')

# Channels of the stride-2 convolutions, by image size: each halves the map
# until it is 4x4. The 32x32 network is the 64x64 one less the second layer,
# so that both begin with 32 channels and have the same top.
CHANNELS = {64: (32, 32, 64, 64), 32: (32, 64, 64)}


class VAE(nn.Module):
    """Encoder and decoder of a VAE with Gaussian latents.

    'conv' stands for the two convolutional networks of FactorVAE (Kim & Mnih,
    2018), which the TopDis experiments use: the gray one (1 channel, width
    128) and the colour one (3 channels, width 256). Stride-2 4x4 convolutions
    with 32, 32, 64, 64 channels, a 4x4 one to a vector of `width`, a dense
    layer to mean and log variance; the decoder is the mirror image; ReLU
    between. For 32x32 images the second layer is left out (32, 64, 64).
    Initially dense and convolution kernels are N(0, 0.02) with zero bias;
    transposed convolutions keep PyTorch's default (see `ConvTranspose`).

    'mlp' is the network of beta-TCVAE (Chen et al., 2018) on dSprites: ReLU
    in the encoder, tanh in the decoder, and PyTorch's default for dense
    layers, kernel and bias uniform within 1/sqrt(inputs), as in that work.

    Initialise with `VAE().init(rng, images)`; then, with the resulting
    variables, `apply(variables, images, method='encode')` and
    `apply(variables, z, method='decode')`.

    Attributes:
      network: 'conv' or 'mlp'.
      latents: number d of latents.
      image_shape: (h, w, c); 'conv' knows 64x64 and 32x32, 1 or 3 channels.
      width: of 'conv': size of the layer next to the latents; None is 128 for
        1 channel, 256 for 3. (Published for 3D Faces: 256 with 1 channel.)
      hidden: of 'mlp': sizes of the encoder's hidden layers.
      decoder_hidden: of 'mlp': sizes of the decoder's hidden layers.
      native: use XLA's own convolutions on CPU too; only speed differs.
    """
    network: str = 'conv'
    latents: int = 10
    image_shape: Sequence[int] = (64, 64, 1)
    width: int | None = None
    hidden: Sequence[int] = (1200, 1200)
    decoder_hidden: Sequence[int] = (1200, 1200, 1200)
    native: bool = False

    def setup(self):
        _check_vae(self)
        shape = tuple(self.image_shape)
        if self.network == 'mlp':
            self.encoder = MLP(self.hidden, 2 * self.latents, nn.relu)
            self.decoder = MLP(
                self.decoder_hidden, math.prod(shape), jnp.tanh)
            return
        options = dict(
            channels=CHANNELS[shape[0]],
            width=self.width or _default_width(shape),
            native=self.native)
        self.encoder = ConvEncoder(outputs=2 * self.latents, **options)
        self.decoder = ConvDecoder(image_channels=shape[2], **options)

    def encode(self, images):
        """Mean and log variance of q(z | x).

        Args:
          images: [b, h, w, c] floating, in [0, 1].

        Returns:
          (mean [b, d], log variance [b, d]).

        Raises:
          ValueError: the images are not floating or not of `image_shape`.
        """
        images = _check_images(images, self.image_shape)
        if self.network == 'mlp':
            images = images.reshape(images.shape[0], -1)
        outputs = self.encoder(images)
        return outputs[:, :self.latents], outputs[:, self.latents:]

    def decode(self, z):
        """Logits of the images; their sigmoid is the image.

        Args:
          z: [m, d].

        Returns:
          [m, h, w, c].

        Raises:
          ValueError: z is not [m, d].
        """
        z = _check_latents(z, self.latents)
        return self.decoder(z).reshape(z.shape[0], *self.image_shape)

    def __call__(self, images):
        """(mean, log variance, logits of the decoded mean): to initialise."""
        mean, log_var = self.encode(images)
        return mean, log_var, self.decode(mean)


def latent_weights(params):
    """How strongly the decoder reads each latent; constant to autodiff.

    The Euclidean norm of the weights of the decoder's first layer that read
    latent i, by which TopDis draws the dimension to shift.

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


class ConvEncoder(nn.Module):
    """Stride-2 convolutions to a 4x4 map, a layer to a vector, one out.

    Attributes:
      channels: of the stride-2 convolutions, in order.
      width: size of the vector.
      outputs: number of outputs.
      instance_norm: after every stride-2 layer and its ReLU, normalise each
        channel of each image over the map (no learned scale or offset).
      native: see `VAE`.
    """
    channels: Sequence[int]
    width: int
    outputs: int
    instance_norm: bool = False
    native: bool = False

    @nn.compact
    def __call__(self, x):
        for i, features in enumerate(self.channels):
            x = nn.relu(convolutions.Conv(
                features, stride=2, native=self.native, name=f'conv_{i}')(x))
            if self.instance_norm:
                x = _instance_norm(x)
        x = nn.relu(convolutions.Conv(
            self.width, stride=1, native=self.native, name='top')(x))
        return _dense(self.outputs, 'out')(x.reshape(x.shape[0], self.width))


class ConvDecoder(nn.Module):
    """Mirror image of `ConvEncoder`: [m, d] to logits [m, h, w, c].

    Attributes:
      channels: of the stride-2 convolutions of the encoder, in its order.
      width: size of the first layer.
      image_channels: c.
      native: see `VAE`.
    """
    channels: Sequence[int]
    width: int
    image_channels: int
    native: bool = False

    @nn.compact
    def __call__(self, z):
        x = nn.relu(_dense(self.width, 'latents')(z))
        x = nn.relu(convolutions.ConvTranspose(
            self.channels[-1], stride=1, native=self.native,
            name='top')(x.reshape(x.shape[0], 1, 1, self.width)))
        for i, features in enumerate(reversed(self.channels[:-1])):
            x = nn.relu(convolutions.ConvTranspose(
                features, stride=2, native=self.native, name=f'conv_{i}')(x))
        return convolutions.ConvTranspose(
            self.image_channels, stride=2, native=self.native, name='out')(x)


class MLP(nn.Module):
    """Dense layers [b, inputs] -> [b, outputs], PyTorch's default weights.

    Attributes:
      hidden: sizes of the hidden layers, at least one.
      outputs: number of outputs.
      activation: after every hidden layer.
    """
    hidden: Sequence[int]
    outputs: int
    activation: Callable

    @nn.compact
    def __call__(self, x):
        # As in the convolutional decoder, 'latents' reads the input.
        names = ['latents', *(f'dense_{i}' for i in range(len(self.hidden)))]
        for name, features in zip(names, self.hidden):
            x = self.activation(_dense(features, name, x.shape[1])(x))
        return _dense(self.outputs, 'out', x.shape[1])(x)


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
    def __call__(self, z):
        x = _check_latents(z)
        for i, features in enumerate(self.hidden):
            x = nn.leaky_relu(_dense(features, f'dense_{i}')(x), 0.2)
        return _dense(2, 'out')(x)


class ImageDiscriminator(nn.Module):
    """DAVA's classifier of decoded images: [b, h, w, c] -> one logit [b].

    The encoder's network (see `VAE`) with one output. DAVA (Estermann &
    Wattenhofer, 2023) normalises each channel of each image after every
    stride-2 layer; its batch norm of the layer after these is left out here,
    because it would couple the images of a batch. For dSprites DAVA takes a
    larger network: channels=(32, 64, 128, 256), width=512.

    Attributes:
      channels: of the stride-2 convolutions; None is as in the VAE.
      width: size of the last hidden layer; None is as in the VAE.
      instance_norm: normalise as said above.
      native: see `VAE`.
    """
    channels: Sequence[int] | None = None
    width: int | None = None
    instance_norm: bool = True
    native: bool = False

    @nn.compact
    def __call__(self, images):
        shape = images.shape[1:]
        images = _check_images(images, shape)
        _check_image_shape(shape)
        channels = self.channels or CHANNELS[shape[0]]
        if shape[0] != 4 * 2 ** len(channels):
            raise ValueError(
                f'{len(channels)} stride-2 layers read images of size '
                f'{4 * 2 ** len(channels)}; received {shape[0]}. Give one '
                'number in `channels` (in a configuration, '
                'objective.discriminator_channels) for each halving down to '
                '4, or none for the usual ones.')
        logits = ConvEncoder(
            channels, self.width or _default_width(shape), 1,
            instance_norm=self.instance_norm, native=self.native,
            name='encoder')(images)
        return logits.reshape(-1)


def _dense(features, name, fan_in=None):
    """A dense layer: N(0, 0.02), zero bias; or, given fan_in, PyTorch's."""
    if fan_in is None:
        return nn.Dense(
            features, kernel_init=nn.initializers.normal(0.02), name=name)
    init = convolutions.symmetric_uniform(fan_in)
    return nn.Dense(features, kernel_init=init, bias_init=init, name=name)


def _instance_norm(x, epsilon=1e-5):
    """Mean 0, variance 1 (biased) of every channel's map; x [b, h, w, c]."""
    x = x - x.mean((1, 2), keepdims=True)
    return x * lax.rsqrt((x * x).mean((1, 2), keepdims=True) + epsilon)


def _default_width(shape):
    return 128 if shape[2] == 1 else 256


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
        _check_image_shape(shape)
    elif not model.hidden or not model.decoder_hidden:
        raise ValueError(
            'hidden and decoder_hidden need at least one size each; received '
            f'{model.hidden} and {model.decoder_hidden}.')


def _check_image_shape(shape):
    height, width, channels = shape
    if height != width or height not in CHANNELS or channels not in (1, 3):
        raise ValueError(
            'The convolutional networks read images of size '
            f'{" or ".join(f"{s}x{s}" for s in CHANNELS)} with 1 or 3 '
            f'channels; received {height}x{width}x{channels}. Resize the '
            "images, or use network='mlp', which reads any size.")


def _check_images(images, shape):
    """`images` in float32, if they are floating [b, *shape]."""
    images = jnp.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(shape):
        raise ValueError(
            f'Expected images [batch, {", ".join(map(str, shape))}]; received '
            f'{list(images.shape)}. Set image_shape to that of the data.')
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            'Expected floating images in [0, 1]; received '
            f'{images.dtype}. Divide 8-bit images by 255.')
    return images.astype(jnp.float32)


def _check_latents(z, latents='latents'):
    """`z` in float32, if it is [m, latents] (any number of them if unset)."""
    z = jnp.asarray(z)
    if z.ndim != 2 or (latents != 'latents' and z.shape[1] != latents):
        raise ValueError(f'Expected latents [batch, {latents}]; received '
                         f'{list(z.shape)}.')
    return z.astype(jnp.float32)
