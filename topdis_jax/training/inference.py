"""A trained VAE as functions of NumPy arrays."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def to_float(images: jax.Array) -> jax.Array:
    """Images in uint8 -> float32 in [0, 1]."""
    return images.astype(jnp.float32) / 255


class Inference(NamedTuple):
    """A VAE with its parameters fixed.

    Attributes:
      encode: images [b, h, w, c] uint8 -> (mean [b, d], log_var [b, d]).
      decode: codes [m, d] -> logits [m, h, w, c].
    """
    encode: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    decode: Callable[[np.ndarray], np.ndarray]


def compile_model(model: nn.Module) -> Callable[[Any], Inference]:
    """params -> Inference: compiled once, for any parameters."""
    @jax.jit
    def encode(params, images):
        return model.apply({'params': params}, to_float(images),
                           method='encode')

    @jax.jit
    def decode(params, codes):
        return model.apply({'params': params}, codes, method='decode')

    def with_params(params):
        return Inference(
            lambda images: tuple(map(np.asarray, encode(params, images))),
            lambda codes: np.asarray(
                decode(params, np.asarray(codes, np.float32))))

    return with_params
