"""Scores of the reference implementation on four fixed cases."""

import json
from typing import NamedTuple

import numpy as np

from tests.helpers.places import GOLDEN

NAMES = ('tiny', 'linear_mix', 'noisy', 'perfect')


def everything():
    """The whole file of values."""
    with open(GOLDEN / 'metrics.json') as file:
        return json.load(file)


def matrices():
    """Name -> a matrix [d, k] and what is computed of it."""
    return everything()['edge_cases']['matrix_functions']


class Case(NamedTuple):
    """Codes, factors, and the reference's scores of them.

    Attributes:
      train: (codes [n, d] float32, factors [n, k] int32).
      both: train and the same of the test rows, four arrays.
      sizes: [k], of the factors.
      represent: factors [m, k] -> codes [m, d], for scores that draw.
      want: the reference's values by name.
    """
    train: tuple
    both: tuple
    sizes: np.ndarray
    represent: object
    want: dict


def case(name):
    """The Case of a name among NAMES."""
    arrays = np.load(GOLDEN / f'{name}.npz')
    codes, sizes = arrays['grid_codes'], arrays['factor_sizes']

    def represent(factors):
        return codes[np.ravel_multi_index(tuple(factors.T), tuple(sizes))]

    train = arrays['codes_train'], arrays['factors_train']
    test = arrays['codes_test'], arrays['factors_test']
    return Case(train, train + test, sizes, represent,
                everything()['cases'][name])


def simple(seed=0, rows=600, test_rows=300, dead=False):
    """Factors of 3 and 4 values and noisy codes of them, train and test.

    With `dead`, the last of the three latents is constant.
    """
    rng = np.random.default_rng(seed)
    result = []
    for count in (rows, test_rows):
        factors = np.stack([rng.integers(3, size=count),
                            rng.integers(4, size=count)], axis=1)
        codes = np.column_stack(
            [factors + 0.1 * rng.standard_normal((count, 2)),
             np.full(count, 0.7) if dead else rng.standard_normal(count)])
        result += [codes, factors]
    return tuple(result)
