"""What a run remembers of its data, to notice that they have changed."""

import hashlib
from typing import Any

import numpy as np

from topdis_jax.data.factors import FactorDataset

# Images that are read: a large set is not read through at each start.
_SAMPLE = 4096


def describe(dataset: FactorDataset) -> dict[str, Any]:
    """Plain facts of a data set that differ if its images do.

    The digest is SHA-256 of the first and the last image and of others evenly
    between, 4096 at most: all images of a small set. A change of single images
    of a large set can go unnoticed; another set, another order, size or
    number of images cannot.

    Returns:
      dict of 'images' (their shape), 'factor_sizes' and 'sha256'.
    """
    count = len(dataset)
    places = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE),
                                   dtype=np.int64))
    digest = hashlib.sha256()
    for place in places:
        digest.update(dataset.images[place].tobytes())
    return {'images': list(map(int, dataset.images.shape)),
            'factor_sizes': list(map(int, dataset.factor_sizes)),
            'sha256': digest.hexdigest()}
