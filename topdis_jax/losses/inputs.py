"""Arguments of the losses: checks, and float32, in which all is computed."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np


def as_float32(**arrays: ArrayLike) -> Any:
    """The arrays, given by name, as float32.

    bfloat16 has 8 bits: a sum of 500 nats would move in steps of 4.

    Returns:
      A list of float32 arrays in the order given, or the array if it is one.

    Raises:
      TypeError: an array that is not floating.
    """
    given = {name: jnp.asarray(array) for name, array in arrays.items()}
    for name, array in given.items():
        if not _is_floating(array):
            raise TypeError(f'{name} must be floating, received '
                            f'{array.dtype}; convert it to float32')
    result = [array.astype(jnp.float32) for array in given.values()]
    return result[0] if len(result) == 1 else result


def check_images(name: str, images: ArrayLike) -> None:
    """Raises TypeError unless images are floating."""
    images = jnp.asarray(images)
    if not _is_floating(images):
        raise TypeError(f'{name} must be floats in [0, 1], received '
                        f'{images.dtype}; divide 8-bit images by 255')


def check_key(rng: Any) -> None:
    """Raises TypeError unless rng is one key of jax.random, of either style."""
    dtype, shape = getattr(rng, 'dtype', None), np.shape(rng)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        is_key = shape == ()
        received = f'keys of shape {shape}; take one of them, or jax.vmap'
    else:
        is_key = dtype == jnp.uint32 and len(shape) == 1
        received = (f'{dtype} {shape}' if hasattr(rng, 'shape') else
                    repr(rng)[:40])
    if not is_key:
        raise TypeError('rng must be a key, as jax.random.key(0) makes one, '
                        f'received {received}')


def _is_floating(array):
    return jnp.issubdtype(array.dtype, jnp.floating)
