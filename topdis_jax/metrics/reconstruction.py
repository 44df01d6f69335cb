"""Reconstruction error of a model: Bernoulli cross-entropy in nats."""

from collections.abc import Callable
from typing import Any

import numpy as np

from topdis_jax.metrics.batches import run_padded
from topdis_jax.metrics.code_table import CodeTable
from topdis_jax.metrics.progress_bar import progress_bar

NUM_RECONSTRUCTION = 10_000  # images, or all of a smaller data set


def reconstruction_error(codes: CodeTable,
                         decode: Callable[[np.ndarray], Any],
                         images: np.ndarray, *, seed: int = 0,
                         batch_size: int = 256,
                         progress: bool = False) -> float:
    """Mean cross-entropy of images and their decoded codes, nats per image.

    Args:
      codes: of the images.
      decode: codes [b, d] -> logits [b, h, w, c].
      images: [N, h, w, c] uint8; 10000 of them are sampled.
      seed: of the sample.
      batch_size: codes decoded at once.
      progress: show a progress bar.

    Raises:
      ValueError: codes that are not finite [n, d].
    """
    rng = np.random.RandomState(seed)
    count = min(NUM_RECONSTRUCTION, len(images))
    indices = np.sort(rng.choice(len(images), count, replace=False))
    z = codes.get(indices, 'reconstruction')
    total = 0.0
    with progress_bar(progress, count, 'Decoding', 'img') as bar:
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            logits = run_padded(decode, z[part], batch_size)
            total += _cross_entropy(logits, images[indices[part]])
            bar.update(len(logits))
    return total / count


def _cross_entropy(logits, images):
    """Summed Bernoulli cross-entropy in nats; images uint8.

    That of losses/elbo.py, in NumPy: scores do without JAX.
    """
    logits = logits.astype(np.float64)
    softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    return float(np.sum(softplus - logits * (images / 255)))
