"""FactorDataset: images on a full grid of known factors."""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class FactorDataset:
    """Images on a full grid of factors, the last one varying fastest.

    Attributes:
      name: of the data set.
      images: [N, h, w, c] uint8, an array or a memory map.
      factor_names: [k] names; () for a data set without factors.
      factor_sizes: [k] numbers of values; their product is N. () likewise.
    """
    name: str
    images: np.ndarray
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        shape, dtype = self.images.shape, self.images.dtype
        if len(shape) != 4 or dtype != np.uint8:
            raise ValueError(f'{self.name}: images must be [N, h, w, c] uint8, '
                             f'received {list(shape)} {dtype}')
        if not shape[0]:
            raise ValueError(f'{self.name}: received no images')
        if len(self.factor_names) != len(self.factor_sizes):
            raise ValueError(f'{self.name}: {len(self.factor_names)} names for '
                             f'{len(self.factor_sizes)} factors')
        if self.factor_sizes and math.prod(self.factor_sizes) != shape[0]:
            raise ValueError(
                f'{self.name}: factors of sizes {self.factor_sizes} make '
                f'{math.prod(self.factor_sizes)} images, received {shape[0]}')

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(h, w, c)."""
        return self.images.shape[1:]

    def factors_of(self, indices: ArrayLike) -> np.ndarray:
        """Factors [n, k] int64 of the images with indices [n].

        Raises:
          ValueError: an index out of range, or no factors.
        """
        indices = np.asarray(indices)
        self._check_range('index', indices, len(self))
        return np.stack(np.unravel_index(indices, self._sizes()), axis=1)

    def index_of(self, factors: ArrayLike) -> np.ndarray:
        """Indices [n] int64 of the images with factors [n, k].

        Raises:
          ValueError: a factor value out of range, or no factors.
        """
        factors = np.asarray(factors)
        sizes = self._sizes()
        if factors.ndim != 2 or factors.shape[1] != len(sizes):
            raise ValueError(f'{self.name}: factors must be [n, {len(sizes)}], '
                             f'received {list(factors.shape)}')
        for j, size in enumerate(sizes):
            self._check_range(self.factor_names[j], factors[:, j], size)
        return np.ravel_multi_index(tuple(factors.T), sizes)

    def images_of(self, factors: ArrayLike) -> np.ndarray:
        """Images [n, h, w, c] uint8 with factors [n, k]; errors: index_of."""
        return self.images[self.index_of(factors)]

    def sample_factors(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Samples factors [n, k] int64, uniform and independent.

        Args:
          n: number of samples.
          rng: numpy.random.Generator.

        Raises:
          ValueError: no factors.
        """
        sizes = self._sizes()
        return rng.integers(sizes, size=(n, len(sizes)))

    def _sizes(self) -> tuple[int, ...]:
        if not self.factor_sizes:
            raise ValueError(f'{self.name} has no factors')
        return self.factor_sizes

    def _check_range(self, what, values, size):
        bad = (values < 0) | (values >= size)
        if np.any(bad):
            raise ValueError(f'{self.name}: {what} must lie in 0..{size - 1}, '
                             f'received {values[bad][0]}')
