"""What the models accept: images and latents, in float32."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def check_image_shape(shape: Sequence[int]) -> None:
    """Raises ValueError if the convolutional networks read no such images."""
    height, width, channels = shape
    if (height != width or height % 16 or not height
            or channels not in (1, 3)):
        raise ValueError(
            'The convolutional networks read square images, of a multiple of '
            '16 pixels a side (as 64x64 or 32x32), with 1 or 3 channels; '
            f'received {height}x{width}x{channels}. Resize the images, or use '
            "network='mlp', which reads any size.")


def check_channels(channels: Sequence[int], side: int, name: str,
                   key: str) -> None:
    """Raises ValueError if stride-2 layers do not end with a small map.

    Of 3 to 7 pixels a side; 4 where the images have 32, 64, 128, ...

    Args:
      channels: of the layers.
      side: height of the images.
      name, key: of the argument, and of the key of a configuration, that hold
        the channels.
    """
    step = 2 ** len(channels)
    if side % step or not 3 <= side // step <= 7:
        raise ValueError(
            f'{len(channels)} stride-2 layers read images of size {4 * step}, '
            f'or of 3 to 7 times {step}; received {side}. Give one number in '
            f'`{name}` (in a configuration, {key}) for each halving down to '
            'that, or none for the usual ones.')


def check_images(images: ArrayLike, shape: Sequence[int]) -> jax.Array:
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


def check_latents(z: ArrayLike, latents: int | str = 'latents') -> jax.Array:
    """`z` in float32, if it is [m, latents] (any number of them if unset)."""
    z = jnp.asarray(z)
    if z.ndim != 2 or (latents != 'latents' and z.shape[1] != latents):
        raise ValueError(f'Expected latents [batch, {latents}]; received '
                         f'{list(z.shape)}.')
    return z.astype(jnp.float32)
