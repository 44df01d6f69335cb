"""The least reconstruction that any model can have on a data set."""

import numpy as np

from topdis_jax.data import sources

_AT_ONCE = 1000  # images


def of_config(options):
    """The floor in nats of the images that config.data names; None without.

    Args:
      options: config.data of a run, a dict.
    """
    try:
        dataset = sources.load(
            options['name'], root=options['root'] or None,
            source=options['source'], download=False)
    except sources.DataError:
        return None  # the study was trained on another machine
    return floor(dataset.images)


def floor(images):
    """Least reconstruction in nats: the mean entropy of an image's pixels.

    A pixel of value p between 0 and 1 has the entropy of a coin of that odds,
    which no Bernoulli likelihood can be below.

    Args:
      images: [n, h, w, c] uint8.
    """
    p = np.arange(256) / 255
    inner = np.clip(p, 1e-12, 1 - 1e-12)
    entropy = np.where((p == 0) | (p == 1), 0.0, -(
        p * np.log(inner) + (1 - p) * np.log(1 - inner)))
    sums = [entropy[np.asarray(images[start:start + _AT_ONCE])].sum()
            for start in range(0, len(images), _AT_ONCE)]
    return float(sum(sums) / len(images))
