"""Small fits of scikit-learn: their input, and threads to run them in."""

from collections.abc import Callable, Iterable
from concurrent import futures
import os
from typing import Any
import warnings

import numpy as np


def side_by_side(function: Callable[[Any], Any], items: Iterable) -> list:
    """[function(item), ..], one fit on each core at a time.

    Each fit uses one thread: spreading a fit this small over cores makes it
    many times slower. Threads suffice because the solvers release the
    interpreter's lock. Convergence warnings are silenced: the published
    scores stop at the limit of iterations too.
    """
    from sklearn import exceptions
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter('ignore', exceptions.ConvergenceWarning)
        with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(function, items))


def standardize(codes: np.ndarray) -> np.ndarray:
    """Codes [n, d] of mean 0 and deviation 1; 0 for a constant latent."""
    from sklearn import preprocessing
    # Squares of very large or small codes would be infinite or 0.
    largest = np.abs(codes).max(axis=0)
    codes = codes / np.where(largest > 0, largest, 1.0)
    return preprocessing.StandardScaler().fit_transform(codes)
