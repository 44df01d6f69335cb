"""Cache of a data set's codes: each image is encoded at most once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics.batches import run_padded
from topdis_jax.metrics.progress_bar import progress_bar

_FIRST_ROWS = 4096


class CodeTable:
    """Cache of codes by the index of the image.

    Scores need the same images many times: FactorVAE's takes 970 000 samples
    of a data set that may have 20 000 images. The scores share the cache.

    Attributes:
      num_encoded: how many images have been encoded.
    """

    def __init__(self, encode: Callable[[np.ndarray], np.ndarray],
                 images: np.ndarray, *, batch_size: int = 256,
                 progress: bool = False) -> None:
        """Starts with an empty cache.

        Args:
          encode: uint8 images [b, h, w, c] -> codes [b, d]. Called with
            batches of exactly `batch_size` images, so that a compiled
            function is compiled once; the last batch is padded with copies of
            its last image.
          images: [N, h, w, c], array or memory map.
          batch_size: images per call.
          progress: show a progress bar.
        """
        checks.check_count('batch_size', batch_size)
        self._encode = encode
        self._images = images
        self._batch_size = batch_size
        self._progress = progress
        # Row of the codes plus one; 0 where the image is not encoded yet.
        # Memory of pages never touched costs nothing.
        self._rows = np.zeros(len(images), np.int32)
        self._codes: Any = None
        self.num_encoded = 0

    def get(self, indices: ArrayLike, purpose: str = '') -> np.ndarray:
        """Codes of images.

        Args:
          indices: [n] integers.
          purpose: what the codes are for; shown beside the progress bar.

        Returns:
          [n, d] in the dtype of the encoder's output, at least float32.

        Raises:
          ValueError: `encode` gave something else than finite [b, d] codes.
        """
        indices = np.asarray(indices)
        new = np.unique(indices[self._rows[indices] == 0])
        if new.size:
            self._extend(new, purpose)
        return self._codes[self._rows[indices] - 1]

    def _extend(self, new, purpose):
        described = f'Encoding for {purpose}' if purpose else 'Encoding'
        with progress_bar(self._progress, len(new), described, 'img') as bar:
            for start in range(0, len(new), self._batch_size):
                part = new[start:start + self._batch_size]
                codes = run_padded(
                    self._encode, self._images[part], self._batch_size)
                self._store(part, codes)
                bar.update(len(part))

    def _store(self, indices, codes):
        codes = checks.as_numpy(codes)
        if codes.ndim != 2:
            raise ValueError(
                f'encode must give codes [b, d], received shape {codes.shape}')
        checks.check_codes(codes, 'output of encode')
        end = self.num_encoded + len(indices)
        if self._codes is None:
            self._codes = np.empty((_FIRST_ROWS, codes.shape[1]), codes.dtype)
        while end > len(self._codes):
            # Doubling: copying stays proportional to what is stored.
            self._codes = np.concatenate(
                [self._codes, np.empty_like(self._codes)])
        self._codes[self.num_encoded:end] = codes
        self._rows[indices] = np.arange(self.num_encoded, end) + 1
        self.num_encoded = end
