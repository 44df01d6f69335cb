"""The networks that the models are made of."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
from jax import lax

from topdis_jax.models import convolutions


def default_channels(side: int) -> tuple[int, ...]:
    """Channels of the stride-2 convolutions for images of side x side.

    Each halves the map, until it is 4x4 or has an odd side. The 32x32 network
    is the published 64x64 one (32, 32, 64, 64) less the second layer, so that
    both begin with 32 channels and have the same top; larger ones have more
    layers of 64 channels.
    """
    layers = 0
    while side > 4 and side % 2 == 0:
        side, layers = side // 2, layers + 1
    begin = (32, 32) if layers > 3 else (32,)
    return begin + (64,) * (layers - len(begin))


class ConvEncoder(nn.Module):
    """Convolutional encoder: stride-2 layers to a small map, then two layers.

    Attributes:
      channels: of the stride-2 convolutions, in order.
      width: size of the vector.
      outputs: number of outputs.
      instance_norm: after every stride-2 layer and its ReLU, normalize each
        channel of each image over the map (no learned scale or offset).
      xla_only, initialization: see `VAE`.
    """
    channels: Sequence[int]
    width: int
    outputs: int
    instance_norm: bool = False
    xla_only: bool = False
    initialization: str = 'normal'

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        options: dict[str, Any] = dict(
            xla_only=self.xla_only, initialization=self.initialization)
        for i, features in enumerate(self.channels):
            x = nn.relu(convolutions.Conv(
                features, stride=2, name=f'conv_{i}', **options)(x))
            if self.instance_norm:
                x = _instance_norm(x)
        x = nn.relu(convolutions.Conv(
            self.width, stride=1, name='top', **options)(x))
        x = x.reshape(x.shape[0], self.width)
        return dense(self.outputs, 'out', self.width, self.initialization)(x)


class ConvDecoder(nn.Module):
    """Mirror image of `ConvEncoder`: [m, d] to logits [m, h, w, c].

    Attributes:
      channels: of the stride-2 convolutions of the encoder, in its order.
      width: size of the first layer.
      image_channels: c.
      top: side of the smallest map.
      xla_only, initialization: see `VAE`.
    """
    channels: Sequence[int]
    width: int
    image_channels: int
    top: int = 4
    xla_only: bool = False
    initialization: str = 'normal'

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        x = nn.relu(dense(self.width, 'latents', z.shape[1],
                          self.initialization)(z))
        x = x.reshape(x.shape[0], 1, 1, self.width)
        x = nn.relu(convolutions.ConvTranspose(
            self.channels[-1], stride=1, side=self.top,
            xla_only=self.xla_only, name='top')(x))
        for i, features in enumerate(reversed(self.channels[:-1])):
            x = nn.relu(convolutions.ConvTranspose(
                features, stride=2, xla_only=self.xla_only,
                name=f'conv_{i}')(x))
        return convolutions.ConvTranspose(
            self.image_channels, stride=2, xla_only=self.xla_only,
            name='out')(x)


class MLP(nn.Module):
    """Dense layers [b, inputs] -> [b, outputs], PyTorch's default weights.

    Attributes:
      hidden: sizes of the hidden layers, at least one.
      outputs: number of outputs.
      activation: after every hidden layer.
    """
    hidden: Sequence[int]
    outputs: int
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        # As in the convolutional decoder, 'latents' reads the input.
        names = ['latents', *(f'dense_{i}' for i in range(len(self.hidden)))]
        for name, features in zip(names, self.hidden):
            x = self.activation(
                dense(features, name, x.shape[1], 'pytorch')(x))
        return dense(self.outputs, 'out', x.shape[1], 'pytorch')(x)


def dense(features: int, name: str, fan_in: int,
          initialization: str = 'normal') -> nn.Dense:
    """A dense layer of `fan_in` inputs; see `convolutions.initializers`."""
    of_kernel, of_bias = convolutions.initializers(initialization, fan_in)
    return nn.Dense(features, kernel_init=of_kernel, bias_init=of_bias,
                    name=name)


def _instance_norm(x, epsilon=1e-5):
    """Mean 0, variance 1 (biased) of every channel's map; x [b, h, w, c]."""
    x = x - x.mean((1, 2), keepdims=True)
    return x * lax.rsqrt((x * x).mean((1, 2), keepdims=True) + epsilon)


def default_width(shape: Sequence[int]) -> int:
    """Size of the layer next to the latents, for images [h, w, c]."""
    return 128 if shape[2] == 1 else 256
