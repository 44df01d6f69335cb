"""4x4 convolutions of stride 2 with a custom VJP, fast on CPU too.

XLA's CPU backend is slow at transposed convolutions, at the gradient of a
kernel, and at images of 3 channels. Three facts help. First, there are only
three linear maps between an image x [b, 2h, 2w, c] and a small map y
[b, h, w, f], and they are each other's derivatives:

    down       y = down(x, kernel)         the convolution, kernel [4, 4, c, f]
    up         x = up(y, flip(kernel))     its adjoint: transposed convolution
    correlate  kernel = correlate(x, y)    gradient of the kernel in both

Second, a convolution of kernel 4 and stride 2 is one of kernel 2 and stride 1
on 2x2 blocks of pixels, without the zeros of a transposed convolution. (Each
2x2 window of y makes the 2x2 block of x around its middle.) Third, a sum over
the images of a batch reads them again and again, which is quick for as many as
a core's cache holds. TPU and GPU get XLA's own convolutions.

The derivative is a custom VJP, because autodiff of either form would not find
the fast adjoint. Forward-mode derivatives need `xla_only=True`.
"""

import jax
from jax import lax
import jax.numpy as jnp

_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')
_FEW_CHANNELS = 4  # as of images: a CPU is slow at short last axes
_CHUNK = 3 * 2 ** 19  # bytes of images and maps that a core's cache holds


@jax.custom_vjp
def conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution of kernel 4 and stride 2, zero padding 1.

    Args:
      x: [b, h, w, c] with h and w even.
      kernel: [4, 4, c, f].

    Returns:
      [b, h / 2, w / 2, f].
    """
    return _down(x, kernel)


def _conv_fwd(x, kernel):
    return _down(x, kernel), (x, kernel)


def _conv_bwd(residuals, grad):
    x, kernel = residuals
    return _up(grad, _flip(kernel)), _correlate(x, grad)


conv.defvjp(_conv_fwd, _conv_bwd)


@jax.custom_vjp
def conv_transpose(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of kernel 4 and stride 2, padding 'SAME'.

    Args:
      x: [b, h, w, c].
      kernel: [4, 4, c, f].

    Returns:
      [b, 2h, 2w, f].
    """
    return _up(x, kernel)


def _conv_transpose_fwd(x, kernel):
    return _up(x, kernel), (x, kernel)


def _conv_transpose_bwd(residuals, grad):
    x, kernel = residuals
    return _down(grad, _flip(kernel)), _flip(_correlate(grad, x))


conv_transpose.defvjp(_conv_transpose_fwd, _conv_transpose_bwd)


def _down(x, kernel):
    if not 1 < x.shape[-1] <= _FEW_CHANNELS:
        return xla_conv(x, kernel)
    return lax.platform_dependent(
        x, kernel, cpu=_down_of_pairs, default=xla_conv)


def _up(x, kernel):
    few = kernel.shape[-1] <= _FEW_CHANNELS
    return lax.platform_dependent(
        x, kernel, cpu=_up_to_pairs if few else _up_to_blocks,
        default=xla_conv_transpose)


def _correlate(x, y):
    return lax.platform_dependent(
        x, y, cpu=_chunked_correlate, default=_xla_correlate)


def xla_conv(x: jax.Array, kernel: jax.Array, stride: int = 2) -> jax.Array:
    """As `conv`, by XLA; of stride 1, [b, 4, 4, c] to [b, 1, 1, f]."""
    padding = (stride - 1, stride - 1)
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), (padding, padding),
        dimension_numbers=_DIMENSIONS)


def xla_conv_transpose(x: jax.Array, kernel: jax.Array,
                       stride: int = 2) -> jax.Array:
    """As `conv_transpose`, by XLA; of stride 1, [b, 1, 1, c] to [b, 4, 4, f].
    """
    padding = 'SAME' if stride == 2 else 'VALID'
    return lax.conv_transpose(
        x, kernel, (stride, stride), padding, dimension_numbers=_DIMENSIONS)


def _xla_correlate(x, y):
    shape = (4, 4, x.shape[-1], y.shape[-1])
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda k: xla_conv(x, k), kernel)(y)[0]


def _chunked_correlate(x, y):
    """The sum over chunks of the batch, each of which stays in the cache."""
    images = max(1, _CHUNK // (4 * (x[0].size + y[0].size)))
    size = 2 ** (images.bit_length() - 1)  # of 9 it takes twice as long
    return sum(_xla_correlate(x[i:i + size], y[i:i + size])
               for i in range(0, len(x), size))


def _up_to_blocks(x, kernel):
    """Window (i, j) of x to block (a, b) through kernel[2i+1-a, 2j+1-b]."""
    c, f = kernel.shape[2:]
    kernel = kernel.reshape(2, 2, 2, 2, c, f)[:, ::-1, :, ::-1]
    kernel = kernel.transpose(0, 2, 4, 1, 3, 5)  # i j c, a b f
    y = _conv(_pad(x), kernel.reshape(2, 2, c, 4 * f))
    return _unblock(y)[:, 1:-1, 1:-1]


def _down_of_pairs(x, kernel):
    """Pairs of columns are 2c channels, which only a reshape makes of x."""
    b, h, w, c = x.shape
    kernel = jnp.pad(kernel, ((0, 0), (1, 1), (0, 0), (0, 0)))
    return _conv(x.reshape(b, h, w // 2, 2 * c),
                 kernel.reshape(4, 3, 2 * c, -1), (2, 1), ((1, 1), (1, 1)))


def _up_to_pairs(x, kernel):
    """Even rows and odd rows, each in pairs of columns of 2f channels."""
    b, h, w, c = x.shape
    f = kernel.shape[-1]
    kernel = kernel.reshape(2, 2, 2, 2, c, f)[:, ::-1]
    rows = []
    for a in (0, 1):
        # Of a pair's columns one reads windows 0 and 1, the other 1 and 2.
        columns = [jnp.pad(kernel[:, 1 - a, :, k], (
            (0, 0), (k, 1 - k), (0, 0), (0, 0))) for k in (0, 1)]
        pair = jnp.stack(columns, axis=-2).reshape(2, 3, c, 2 * f)
        rows.append(_conv(x, pair, padding=((1 - a, a), (1, 1))))
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, f)


def _conv(x, kernel, stride=(1, 1), padding='VALID'):
    return lax.conv_general_dilated(x, kernel, stride, padding,
                                    dimension_numbers=_DIMENSIONS)


def _flip(kernel):
    return kernel[::-1, ::-1].swapaxes(2, 3)


def _pad(x):
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _unblock(x):
    """Blocks [b, h, w, 4c], rows first -> [b, 2h, 2w, c]."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, 2 * h, 2 * w, c // 4)
