"""Batches as a pure function of (seed, step): no state to save."""

import collections
from concurrent import futures
import functools
import itertools
import math
import time

import numpy as np

_ROUNDS = 6
_AHEAD = 2  # batches that are got before they are asked for

# The constants of SplitMix64 (Steele et al., Fast Splittable Pseudorandom
# Number Generators, OOPSLA 2014).
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_STAGES = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
           (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST_SHIFT = np.uint64(31)

# Tells the numbers of `uniform` from the keys of permutations.
_UNIFORM = np.uint64(0x756E69666F726D)


def batch(dataset, seed, step, batch_size, *, stream=0, draw=None,
          part=(0, 1)):
    """The images of one step.

    Each epoch visits every image once, in an order of its own; a batch that
    crosses the end of an epoch goes on with the next. With `draw` there are
    no epochs.

    Args:
      dataset: FactorDataset.
      seed, stream: streams of one seed are independent of one another.
      step: from 0.
      batch_size: number of images.
      draw: (seed, step, batch_size, stream=0) -> indices [batch_size], as
        from correlation.sampler; None: as said above.
      part: (index, count): of that many equal parts only this one.

    Returns:
      [batch_size / count, h, w, c] uint8.
    """
    draw = draw or functools.partial(indices, len(dataset))
    index, count = part
    rows = draw(seed, step, batch_size, stream=stream).reshape(count, -1)
    return dataset.images[rows[index]]


class Prefetch:
    """function(start), .., function(stop - 1), in order, two of them ahead.

    A thread of its own gets them while steps are under way.

    Attributes:
      waited: seconds that the consumer has waited for them so far.
    """

    def __init__(self, function, start, stop):
        self._function, self._steps = function, range(start, stop)
        self._begun = time.perf_counter()
        self.waited = 0.0

    def __iter__(self):
        self._begun = time.perf_counter()
        steps = iter(self._steps)
        with futures.ThreadPoolExecutor(1) as pool:
            ahead = collections.deque(
                pool.submit(self._function, step)
                for step in itertools.islice(steps, _AHEAD))
            while ahead:
                result = self._wait(ahead.popleft())
                ahead.extend(pool.submit(self._function, step)
                             for step in itertools.islice(steps, 1))
                yield result

    def share(self):
        """The part of the time since the first step that was waited."""
        return self.waited / (time.perf_counter() - self._begun)

    def _wait(self, future):
        asked = time.perf_counter()
        try:
            return future.result()
        finally:
            self.waited += time.perf_counter() - asked


def indices(size, seed, step, batch_size, *, stream=0):
    """The numbers [batch_size] int64 of the images of one step."""
    places = np.arange(batch_size) + int(step) * batch_size
    epochs, places = np.divmod(places, size)
    found = np.empty(batch_size, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):
        of_epoch = epochs == epoch
        key = _key(seed, stream, epoch)
        found[of_epoch] = permute(places[of_epoch], size, key)
    return found


def uniform(seed, step, shape, *, stream=0):
    """Numbers in [0, 1) of one step, independent of those of `indices`."""
    key = _mix(_key(seed, stream, step) ^ _UNIFORM)
    words = _mix(key ^ np.arange(math.prod(shape), dtype=np.uint64))
    # The 53 bits that a double holds.
    return (words >> np.uint64(11)).reshape(shape) * 2.0 ** -53


def permute(places, size, key):
    """Values of a pseudo-random permutation of range(size) at `places`.

    A Feistel network permutes the smallest even number of bits that holds
    `size`; values outside are sent through again until they are inside, which
    keeps it a permutation. Nothing of length `size` is stored.

    Args:
      places: [n] int in range(size).
      key: uint64, which permutation.

    Returns:
      [n] int64.
    """
    bits = max((int(size) - 1).bit_length() + 1, 2) // 2
    half, low = np.uint64(bits), np.uint64((1 << bits) - 1)
    keys = _mix(key ^ np.arange(_ROUNDS, dtype=np.uint64))
    values = np.asarray(places).astype(np.uint64)
    outside = np.ones(values.shape, bool)
    while np.any(outside):
        left, right = values[outside] >> half, values[outside] & low
        for turn in keys:
            left, right = right, left ^ (_mix(right ^ turn) & low)
        values[outside] = (left << half) | right
        outside = values >= np.uint64(size)
    return values.astype(np.int64)


def shard(images, devices):
    """[b, ...] -> [devices, b / devices, ...].

    Raises:
      ValueError: b is not divisible by devices.
    """
    if images.shape[0] % devices:
        raise ValueError(f'a batch of {images.shape[0]} cannot be shared '
                         f'equally by {devices} devices')
    return images.reshape(devices, -1, *images.shape[1:])


def _key(seed, stream, number):
    """A word for each triple."""
    return _mix(_mix(_mix(_word(seed)) ^ _word(stream)) ^ _word(number))


def _word(number):
    # An array: NumPy warns of overflow in scalars, not in arrays.
    return np.array([int(number) & 0xFFFFFFFFFFFFFFFF], np.uint64)


def _mix(x):
    """A bijection of 64-bit words [n] that scatters them (SplitMix64's)."""
    x = x + _INCREMENT
    for shift, factor in _STAGES:
        x = (x ^ (x >> shift)) * factor
    return x ^ (x >> _LAST_SHIFT)
