"""4x4 convolutions as flax layers, fast on CPU too (see `strided`).

`Conv` and `ConvTranspose` hold the parameters of flax's layers of these names
(same names, shapes and function; only the initial values differ).
"""

from collections.abc import Callable
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from topdis_jax.models import strided
# Under their old names.
from topdis_jax.models.strided import conv, conv_transpose  # noqa: F401

INITIALIZATIONS = ('normal', 'kaiming', 'pytorch')


class Conv(nn.Module):
    """4x4 convolution: halves the size, or turns a whole map into a vector.

    Holds the parameters of `nn.Conv(features, (4, 4), stride, padding)` with
    padding 1 for stride 2 and 0 for stride 1, whose kernel is as large as the
    map, 4x4 as a rule.

    Attributes:
      features: channels of the result.
      stride: 2, or 1 for the layer that turns a map into a vector.
      xla_only: use XLA's own convolution and its derivative everywhere.
      initialization: see `initializers`.
    """
    features: int
    stride: int
    xla_only: bool = False
    initialization: str = 'normal'

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        side = 4 if self.stride == 2 else x.shape[1]
        of_kernel, of_bias = initializers(self.initialization,
                                          side ** 2 * x.shape[-1])
        kernel = self.param('kernel', of_kernel,
                            (side, side, x.shape[-1], self.features))
        bias = self.param('bias', of_bias, (self.features,))
        if self.xla_only:
            y = strided.xla_conv(x, kernel, self.stride)
        elif self.stride == 2:
            y = strided.conv(x, kernel)
        else:  # every weight meets every pixel once: a dense layer
            y = jnp.einsum('bhwc,hwcf->bf', x, kernel)[:, None, None]
        return y + bias.reshape(1, 1, 1, -1)


class ConvTranspose(nn.Module):
    """4x4 transposed convolution: doubles the size, or makes a map of a vector.

    Holds the parameters of `nn.ConvTranspose(features, (4, 4), stride,
    padding)` with padding 'SAME' for stride 2 and 'VALID' for stride 1.
    Initially PyTorch's default: kernel and bias are uniform within
    1/sqrt(fan_in). PyTorch's fan_in of a transposed convolution is the number
    of outputs that one INPUT value reaches, side^2 * features.

    Attributes:
      features: channels of the result.
      stride: 2, or 1 for the layer that turns a vector into a map.
      side: of the kernel, and of that map; 4 for stride 2.
      xla_only: use XLA's own convolution and its derivative everywhere.
    """
    features: int
    stride: int
    side: int = 4
    xla_only: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        init = symmetric_uniform(self.side ** 2 * self.features)
        kernel = self.param('kernel', init, (
            self.side, self.side, x.shape[-1], self.features))
        bias = self.param('bias', init, (self.features,))
        if self.xla_only:
            y = strided.xla_conv_transpose(x, kernel, self.stride)
        elif self.stride == 2:
            y = strided.conv_transpose(x, kernel)
        else:  # as in Conv; a transposed convolution turns its kernel
            y = jnp.einsum('bc,hwcf->bhwf', x[:, 0, 0], kernel[::-1, ::-1])
        return y + bias.reshape(1, 1, 1, -1)


def initializers(name: str,
                 fan_in: int) -> tuple[Callable[..., jax.Array],
                                       Callable[..., jax.Array]]:
    """Initializers (of the kernel, of the bias) of a layer that is not
    transposed.

    Args:
      name: 'normal': N(0, 0.02), bias 0; 'kaiming': N(0, 2 / fan_in), bias 0
        (He et al., 2015); 'pytorch': PyTorch's default, both uniform within
        1/sqrt(fan_in).
      fan_in: inputs of one output.

    Raises:
      ValueError: unknown name.
    """
    zeros = nn.initializers.zeros
    if name == 'normal':
        return nn.initializers.normal(0.02), zeros
    if name == 'kaiming':
        return nn.initializers.normal(math.sqrt(2 / fan_in)), zeros
    if name == 'pytorch':
        return symmetric_uniform(fan_in), symmetric_uniform(fan_in)
    raise ValueError(f'initialization is one of {INITIALIZATIONS}; received '
                     f'{name!r}.')


def symmetric_uniform(fan_in: int) -> Callable[..., jax.Array]:
    """Initializer: uniform within 1/sqrt(fan_in), PyTorch's default."""
    bound = fan_in ** -0.5

    def init(rng, shape, dtype=jnp.float32):
        return jax.random.uniform(rng, shape, dtype, -bound, bound)

    return init
