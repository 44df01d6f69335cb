"""Checks of the arrays that every score takes, and their common forms.

A score names what is wrong, and where: which array, latent or factor. That
saves reading a stack of classifier internals after hours of training.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def check_codes(codes: ArrayLike, name: str = 'codes') -> np.ndarray:
    """Codes as float64 [n, d].

    Args:
      codes: [n, d] real numbers, n and d at least 1; NumPy or JAX.
      name: what to call the array in a message.

    Raises:
      TypeError: the entries are not real numbers.
      ValueError: not two-dimensional, empty, or with NaN or infinite entries
        (the message names the first such latent).
    """
    codes = _table(codes, name, 'd', 'biuf', 'real numbers')
    codes = codes.astype(np.float64)
    bad = ~np.isfinite(codes).all(axis=0)
    if bad.any():
        latent = int(np.argmax(bad))
        rows = int(np.sum(~np.isfinite(codes[:, latent])))
        raise ValueError(
            f'{name}: latent {latent} is NaN or infinite in {rows} of '
            f'{len(codes)} rows')
    return codes


def check_factors(factors: ArrayLike, name: str = 'factors') -> np.ndarray:
    """Factors as int64 [n, k].

    Args:
      factors: [n, k] integers, n and k at least 1.
      name: what to call the array in a message.

    Raises:
      TypeError: the entries are not integers. Factors are classes here; a
        factor that is a real number must be discretized by the caller.
      ValueError: not two-dimensional, or empty.
    """
    factors = _table(factors, name, 'k', 'biu', 'integers (classes)')
    return factors.astype(np.int64)


def as_numpy(array: ArrayLike) -> np.ndarray:
    """A NumPy array; floats shorter than 32 bits become float32.

    JAX arrays of bfloat16 come as a type that NumPy takes for raw bytes, and
    variances of float16 overflow.
    """
    array = np.asarray(array)
    short = 'float' in array.dtype.name and array.dtype.itemsize < 4
    return array.astype(np.float32) if short else array


def _table(array, name, columns, kinds, contents):
    """A non-empty array [n, columns] whose dtype is of the given kinds."""
    array = as_numpy(array)
    if array.dtype.kind not in kinds:
        raise TypeError(
            f'{name} must hold {contents}, received dtype {array.dtype}')
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f'{name} must be [n, {columns}] with n and {columns} at least 1, '
            f'received shape {array.shape}')
    return array


def check_pair(codes: ArrayLike, factors: ArrayLike,
               prefix: str = '') -> tuple[np.ndarray, np.ndarray]:
    """Codes [n, d] float64 and factors [n, k] int64 of the same n.

    Args:
      codes, factors: see check_codes and check_factors.
      prefix: put before the arrays' names in messages, as in 'test_'.
    """
    codes = check_codes(codes, f'{prefix}codes')
    factors = check_factors(factors, f'{prefix}factors')
    if len(codes) != len(factors):
        raise ValueError(
            f'{prefix}codes and {prefix}factors must have the same number of '
            f'rows, received {len(codes)} and {len(factors)}')
    return codes, factors


def check_at_least_two(what: str, count: int, score: str) -> None:
    """Raises ValueError if there are fewer than two latents or factors.

    Args:
      what: 'latents' or 'factors'.
      count: how many there are.
      score: name of the score, for the message.
    """
    if count < 2:
        raise ValueError(
            f'{score} compares {what} with each other and needs at least two, '
            f'received {count}')


def check_factors_vary(factors: np.ndarray, score: str,
                       name: str = 'factors') -> None:
    """Raises ValueError if a column of `factors` [n, k] has one value only."""
    constant = np.flatnonzero((factors == factors[:1]).all(axis=0))
    if constant.size:
        raise ValueError(
            f'{score} is undefined for a factor with one value: factor '
            f'{constant[0]} of {name} is {factors[0, constant[0]]} in all '
            f'{len(factors)} rows')


def check_count(name: str, value: Any, minimum: int = 1) -> None:
    """Raises ValueError unless `value` is a whole number >= `minimum`."""
    if not isinstance(value, (int, np.integer)) or value < minimum:
        raise ValueError(
            f'{name} must be a whole number of at least {minimum}, received '
            f'{value!r}')


def check_same_columns(codes: np.ndarray, test_codes: np.ndarray,
                       factors: np.ndarray, test_factors: np.ndarray) -> None:
    """Raises ValueError unless training and test rows have equal columns."""
    for name, train, test in (('latents', codes, test_codes),
                              ('factors', factors, test_factors)):
        if train.shape[1] != test.shape[1]:
            raise ValueError(
                f'training and test rows must have the same {name}, received '
                f'{train.shape[1]} and {test.shape[1]}')


def check_same_classes(factors: np.ndarray, test_factors: np.ndarray,
                       score: str) -> None:
    """Raises ValueError if a factor's values differ between the two."""
    for j, (train, test) in enumerate(zip(factors.T, test_factors.T)):
        alone = np.setxor1d(train, test)
        if alone.size:
            where = 'training' if alone[0] in train else 'test'
            raise ValueError(
                f'{score} needs each value of a factor in training and test '
                f'rows: value {alone[0]} of factor {j} is in the {where} rows '
                'only')


def check_sizes(factor_sizes: Sequence[int]) -> None:
    """Raises ValueError unless `factor_sizes` is [k] of whole numbers >= 1."""
    sizes = np.asarray(factor_sizes)
    if sizes.ndim != 1 or not sizes.size or sizes.dtype.kind not in 'iu' or (
            sizes.min() < 1):
        raise ValueError('factor_sizes must be [k] whole numbers of at least '
                         f'1, received {factor_sizes!r}')


def check_representation(codes: ArrayLike, rows: int) -> np.ndarray:
    """The codes that `represent` gave as [rows, d]; dtype as in as_numpy."""
    codes = as_numpy(codes)
    if codes.ndim != 2 or len(codes) != rows:
        raise ValueError(f'represent must give codes [{rows}, d] for {rows} '
                         f'rows, received shape {codes.shape}')
    if not np.isfinite(codes).all():
        check_codes(codes, 'output of represent')
    return codes
