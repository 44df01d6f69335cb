"""Checks of the arrays that every score takes, and their common forms.

A score names what is wrong, and where: which array, latent or factor. That
saves reading a stack of classifier internals after hours of training.
"""

import numpy as np


def check_codes(codes, name='codes'):
    """Codes as float64 [n, d].

    Args:
      codes: [n, d] real numbers, n and d at least 1.
      name: what to call the array in a message.

    Raises:
      TypeError: the entries are not real numbers.
      ValueError: not two-dimensional, empty, or with NaN or infinite entries
        (the message names the first such latent).
    """
    codes = np.asarray(codes)
    if codes.dtype.kind not in 'biuf':
        raise TypeError(
            f'{name} must hold real numbers, got dtype {codes.dtype}')
    if codes.ndim != 2 or 0 in codes.shape:
        raise ValueError(
            f'{name} must be [n, d] with n and d at least 1, got shape '
            f'{codes.shape}')
    codes = codes.astype(np.float64)
    bad = ~np.isfinite(codes).all(axis=0)
    if bad.any():
        latent = int(np.argmax(bad))
        rows = int(np.sum(~np.isfinite(codes[:, latent])))
        raise ValueError(
            f'{name}: latent {latent} is NaN or infinite in {rows} of '
            f'{len(codes)} rows')
    return codes


def check_factors(factors, name='factors'):
    """Factors as int64 [n, k].

    Args:
      factors: [n, k] integers, n and k at least 1.
      name: what to call the array in a message.

    Raises:
      TypeError: the entries are not integers. Factors are classes here; a
        factor that is a real number must be discretised by the caller.
      ValueError: not two-dimensional, or empty.
    """
    factors = np.asarray(factors)
    if factors.dtype.kind not in 'biu':
        raise TypeError(
            f'{name} must hold integers (classes), got dtype {factors.dtype}')
    if factors.ndim != 2 or 0 in factors.shape:
        raise ValueError(
            f'{name} must be [n, k] with n and k at least 1, got shape '
            f'{factors.shape}')
    return factors.astype(np.int64)


def check_pair(codes, factors, prefix=''):
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
            f'rows, got {len(codes)} and {len(factors)}')
    return codes, factors


def check_split(codes, factors, test_codes, test_factors):
    """The four arrays of a score with a test set, in their common forms."""
    codes, factors = check_pair(codes, factors)
    test_codes, test_factors = check_pair(test_codes, test_factors, 'test_')
    for name, train, test in (('latents', codes, test_codes),
                              ('factors', factors, test_factors)):
        if train.shape[1] != test.shape[1]:
            raise ValueError(
                f'the training set has {train.shape[1]} {name}, the test set '
                f'{test.shape[1]}')
    return codes, factors, test_codes, test_factors


def check_at_least_two(what, count, score):
    """Raises ValueError where a score of differences has nothing to compare.

    Args:
      what: 'latents' or 'factors'.
      count: how many there are.
      score: name of the score, for the message.
    """
    if count < 2:
        raise ValueError(
            f'{score} compares {what} with each other and needs at least two, '
            f'got {count}')


def check_factors_vary(factors, score, name='factors'):
    """Raises ValueError if a column of `factors` [n, k] has one value only."""
    constant = np.flatnonzero((factors == factors[:1]).all(axis=0))
    if constant.size:
        raise ValueError(
            f'{score} is undefined for a factor with one value: factor '
            f'{constant[0]} of {name} is {factors[0, constant[0]]} in all '
            f'{len(factors)} rows')


def check_factor_sizes(factor_sizes):
    """Factor sizes as a tuple of ints.

    Raises:
      ValueError: empty, or a size is not a whole number of at least 1.
    """
    sizes = np.asarray(factor_sizes)
    if (sizes.ndim != 1 or not sizes.size or sizes.dtype.kind not in 'iu'
            or sizes.min() < 1):
        raise ValueError(
            'factor_sizes must be a sequence of whole numbers, each at least '
            f'1, got {factor_sizes!r}')
    return tuple(int(size) for size in sizes)


def check_count(name, value, minimum=1):
    """Raises ValueError unless `value` is a whole number >= `minimum`."""
    if int(value) != value or value < minimum:
        raise ValueError(
            f'{name} must be a whole number of at least {minimum}, got '
            f'{value!r}')
