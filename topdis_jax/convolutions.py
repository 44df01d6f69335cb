"""4x4 convolutions, stride 1 without padding or stride 2 with one row of it.

`Conv` and `ConvTranspose` hold the parameters of flax's layers of these names
(same names, shapes and function; only the initial values differ).
"""

import flax.linen as nn
import jax
from jax import lax
import jax.numpy as jnp

_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')


class Conv(nn.Module):
    """4x4 convolution; halves height and width, or reads a 4x4 map.

    Holds the parameters of `nn.Conv(features, (4, 4), stride, padding)` with
    padding 1 for stride 2 and 0 for stride 1. Initially N(0, 0.02), bias 0.

    Attributes:
      features: channels of the result.
      stride: 2, or 1 for the layer that turns a 4x4 map into a vector.
      native: use XLA's convolution on every platform.
    """
    features: int
    stride: int
    native: bool = False

    @nn.compact
    def __call__(self, x):
        kernel = self.param('kernel', nn.initializers.normal(0.02),
                            (4, 4, x.shape[-1], self.features))
        bias = self.param('bias', nn.initializers.zeros, (self.features,))
        padding = ((self.stride - 1,) * 2,) * 2
        y = lax.conv_general_dilated(
            x, kernel, (self.stride,) * 2, padding,
            dimension_numbers=_DIMENSIONS)
        return y + bias.reshape(1, 1, 1, -1)


class ConvTranspose(nn.Module):
    """4x4 transposed convolution; doubles height and width, or starts a map.

    Holds the parameters of `nn.ConvTranspose(features, (4, 4), stride,
    padding)` with padding 'SAME' for stride 2 and 'VALID' for stride 1.
    Initially PyTorch's default: kernel and bias are uniform within
    1/sqrt(fan_in), where PyTorch counts as fan_in of a transposed convolution
    the numbers that one INPUT value reaches, 16 * features.

    Attributes:
      features: channels of the result.
      stride: 2, or 1 for the layer that turns a vector into a 4x4 map.
      native: use XLA's convolution on every platform.
    """
    features: int
    stride: int
    native: bool = False

    @nn.compact
    def __call__(self, x):
        init = symmetric_uniform(16 * self.features)
        kernel = self.param(
            'kernel', init, (4, 4, x.shape[-1], self.features))
        bias = self.param('bias', init, (self.features,))
        padding = 'SAME' if self.stride == 2 else 'VALID'
        y = lax.conv_transpose(
            x, kernel, (self.stride,) * 2, padding,
            dimension_numbers=_DIMENSIONS)
        return y + bias.reshape(1, 1, 1, -1)


def symmetric_uniform(fan_in):
    """Initialiser: uniform within 1/sqrt(fan_in), PyTorch's default."""
    bound = fan_in ** -0.5

    def init(rng, shape, dtype=jnp.float32):
        return jax.random.uniform(rng, shape, dtype, -bound, bound)

    return init
