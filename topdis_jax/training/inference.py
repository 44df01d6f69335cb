"""A trained VAE as functions of NumPy arrays."""

from typing import Callable, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


def to_float(images):
    """Images in uint8 -> float32 in [0, 1]."""
    return images.astype(jnp.float32) / 255


class Inference(NamedTuple):
    """A VAE with its parameters fixed.

    Attributes:
      encode: images [b, h, w, c] uint8 -> (mean [b, d], log_var [b, d]).
      decode: codes [m, d] -> logits [m, h, w, c].
    """
    encode: Callable
    decode: Callable


class Compiled:
    """Compiles a model's functions once, for any parameters."""

    def __init__(self, model):
        def encode(params, images):
            return model.apply({'params': params}, to_float(images),
                               method='encode')

        def decode(params, codes):
            return model.apply({'params': params}, codes, method='decode')

        self._encode, self._decode = jax.jit(encode), jax.jit(decode)

    def inference(self, params):
        """The Inference with these parameters."""
        def encode(images):
            return tuple(map(np.asarray, self._encode(params, images)))

        def decode(codes):
            codes = np.asarray(codes, np.float32)
            return np.asarray(self._decode(params, codes))

        return Inference(encode, decode)
