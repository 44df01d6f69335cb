"""Batches of images, fully determined by (seed, step)."""

import collections
from collections.abc import Callable, Iterator
from concurrent import futures
import functools
import itertools
import math
import time
from typing import Any

import numpy as np

from topdis_jax.data.factors import FactorDataset

# (seed, step, batch_size, stream=0) -> indices [batch_size].
Sampler = Callable[..., np.ndarray]

_ROUNDS = 6
_AHEAD = 2  # batches that are prepared before they are needed

# The constants of SplitMix64 (Steele et al., Fast Splittable Pseudorandom
# Number Generators, OOPSLA 2014).
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_STAGES = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
           (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST_SHIFT = np.uint64(31)

# Makes the numbers of `uniform` independent of the keys of permutations.
_UNIFORM = np.uint64(0x756E69666F726D)


def batch(dataset: FactorDataset, seed: int, step: int, batch_size: int, *,
          stream: int = 0, sampler: Sampler | None = None,
          part: tuple[int, int] = (0, 1),
          draw: Sampler | None = None) -> np.ndarray:
    """The batch of images of one step.

    Each epoch visits every image once, in its own random order; a batch that
    crosses the end of an epoch continues with the next. With a sampler there
    are no epochs.

    Args:
      dataset: FactorDataset.
      seed, stream: streams of one seed are independent of one another.
      step: from 0.
      batch_size: number of images.
      sampler: (seed, step, batch_size, stream=0) -> indices [batch_size],
        for example from correlation.sampler; None: epochs, as above.
      part: (index, count): only part `index` of `count` equal parts.
      draw: the old name of `sampler`.

    Returns:
      [batch_size / count, h, w, c] uint8.
    """
    sampler = sampler or draw or functools.partial(indices, len(dataset))
    index, count = part
    rows = sampler(seed, step, batch_size, stream=stream).reshape(count, -1)
    return dataset.images[rows[index]]


class Prefetch:
    """Iterates over function(start), .., function(stop - 1), two steps ahead.

    A background thread calls the function while steps run.

    Attributes:
      waited: seconds that the consumer has waited so far.
    """

    def __init__(self, function: Callable[[int], Any], start: int,
                 stop: int) -> None:
        self._function, self._steps = function, range(start, stop)
        self._begun = time.perf_counter()
        self.waited = 0.0

    def __iter__(self) -> Iterator:
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

    def share(self) -> float:
        """The fraction of the time since the first step spent waiting."""
        return self.waited / (time.perf_counter() - self._begun)

    def _wait(self, future):
        asked = time.perf_counter()
        try:
            return future.result()
        finally:
            self.waited += time.perf_counter() - asked


def indices(size: int, seed: int, step: int, batch_size: int, *,
            stream: int = 0) -> np.ndarray:
    """Indices [batch_size] int64 of the images of one step.

    Args:
      size: of the data set.
      seed, step, batch_size, stream: as in `batch`.
    """
    places = np.arange(batch_size) + int(step) * batch_size
    epochs, places = np.divmod(places, size)
    found = np.empty(batch_size, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):
        of_epoch = epochs == epoch
        key = _key(seed, stream, epoch)
        found[of_epoch] = permute(places[of_epoch], size, key)
    return found


def uniform(seed: int, step: int, shape: tuple[int, ...], *,
            stream: int = 0) -> np.ndarray:
    """Random numbers in [0, 1) of one step, independent of `indices`."""
    key = _mix(_key(seed, stream, step) ^ _UNIFORM)
    words = _mix(key ^ np.arange(math.prod(shape), dtype=np.uint64))
    # A double holds 53 bits.
    return (words >> np.uint64(11)).reshape(shape) * 2.0 ** -53


def permute(places: np.ndarray, size: int, key: np.ndarray) -> np.ndarray:
    """Evaluates a pseudo-random permutation of range(size) at `places`.

    A Feistel network permutes the smallest even number of bits that holds
    `size`; values outside of the range pass through again until they are
    inside, so that the result is a permutation. Needs no memory of length
    `size`.

    Args:
      places: [n] int in range(size).
      size: length of the permutation.
      key: uint64; chooses the permutation.

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


def shard(images: np.ndarray, devices: int) -> np.ndarray:
    """Splits a batch [b, ...] into [devices, b / devices, ...].

    Raises:
      ValueError: b is not divisible by devices.
    """
    if images.shape[0] % devices:
        raise ValueError(f'a batch of {images.shape[0]} cannot be shared '
                         f'equally by {devices} devices')
    return images.reshape(devices, -1, *images.shape[1:])


def _key(seed, stream, number):
    """A 64-bit word [1] for each triple."""
    return _mix(_mix(_mix(_word(seed)) ^ _word(stream)) ^ _word(number))


def _word(number):
    # An array, because NumPy warns about overflow in scalars only.
    return np.array([int(number) & 0xFFFFFFFFFFFFFFFF], np.uint64)


def _mix(x):
    """The mixing function of SplitMix64, a bijection of 64-bit words [n]."""
    x = x + _INCREMENT
    for shift, factor in _STAGES:
        x = (x ^ (x >> shift)) * factor
    return x ^ (x >> _LAST_SHIFT)
