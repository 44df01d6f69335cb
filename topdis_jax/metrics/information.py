"""Histogram bins and plug-in mutual information, for MIG and modularity.

Conventions are those of disentanglement_lib (Locatello et al. 2019), so that
scores compare with the literature. One departure: edges are always computed
in float64. The library uses the dtype of the codes, where a code that lies on
an edge changes its bin with the version of NumPy.
"""

import numpy as np
from numpy.typing import ArrayLike


def histogram_bins(codes: ArrayLike, bins: int = 20) -> np.ndarray:
    """Bin of each code among equal bins between the latent's min and max.

    Bins are closed on the left; the maximum falls into the last one. A
    constant latent lies in one bin. Outliers stretch the range: nothing is
    clipped.

    Args:
      codes: [n, d] finite numbers.
      bins: number of bins per latent.

    Returns:
      [n, d] int64 from 0 to bins - 1.
    """
    codes = np.asarray(codes, np.float64)
    binned = np.empty(codes.shape, np.int64)
    for latent, column in enumerate(codes.T):
        low, high = column.min(), column.max()
        if low == high:
            binned[:, latent] = 0
            continue
        edges = np.linspace(low, high, bins + 1)
        # The last edge is left out, so that the maximum stays in the last bin.
        binned[:, latent] = np.searchsorted(edges[:-1], column, 'right') - 1
    return binned


def label_classes(
        factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of [n, k] relabeled to 0, 1, ... in order of their values.

    Returns:
      Labels [n, k] int64 and the number of classes that occur, [k] int64.
    """
    labels = np.empty(factors.shape, np.int64)
    counts = np.empty(factors.shape[1], np.int64)
    for j, column in enumerate(factors.T):
        values, labels[:, j] = np.unique(column, return_inverse=True)
        counts[j] = len(values)
    return labels, counts


def mutual_information(binned: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Plug-in mutual information I[i, j] of latent bin i and factor j.

    sum_ab p(a, b) log(p(a, b) / (p(a) p(b))) with observed frequencies; no
    correction of the bias of about (bins - 1)(values - 1) / 2n.

    Args:
      binned: [n, d] integers.
      factors: [n, k] integers.

    Returns:
      [d, k] float64, nats. Exactly 0 where a latent or a factor has one value
      (modularity tests for it).
    """
    binned, bin_counts = label_classes(binned)
    labels, class_counts = label_classes(factors)
    information = np.zeros((binned.shape[1], labels.shape[1]))
    for i, j in np.ndindex(*information.shape):
        if bin_counts[i] < 2 or class_counts[j] < 2:
            continue
        shape = (bin_counts[i], class_counts[j])
        cells = binned[:, i] * shape[1] + labels[:, j]
        table = np.bincount(cells, minlength=shape[0] * shape[1])
        information[i, j] = _information_of_table(table.reshape(shape))
    return information


def _information_of_table(table):
    """Mutual information in nats of a contingency table [a, b] of counts."""
    joint = table / table.sum()
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    terms = joint[seen] * np.log(joint[seen] / independent[seen])
    return max(float(terms.sum()), 0.0)


def entropies(factors: np.ndarray) -> np.ndarray:
    """Plug-in entropy in nats of each column of [n, k] integers: [k]."""
    labels, counts = label_classes(factors)
    result = np.zeros(len(counts))
    for j, column in enumerate(labels.T):
        share = np.bincount(column, minlength=counts[j]) / len(column)
        result[j] = -np.sum(share * np.log(share))
    return np.maximum(result, 0.0)
