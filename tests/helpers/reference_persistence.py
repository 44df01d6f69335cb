"""Relative homology of degree 1 by plain reduction: slow, for tests alone."""

import itertools

import numpy as np


def bars(lower, upper):
    """Sorted bars (birth, death) of positive length.

    The relative chain complex of (Rips(lower), Rips(upper)) over Z/2: an edge
    is a generator from its lower value on; a triangle from the largest of its
    lower values on is a relation between its edges; and so is, from its upper
    value on, an edge itself. Columns are the relations in order of value; rows
    the edges in order of lower. The standard algorithm: add earlier columns
    until no two have the same lowest row.
    """
    edges = sorted(itertools.combinations(range(len(lower)), 2),
                   key=lambda edge: lower[edge])
    row = {edge: r for r, edge in enumerate(edges)}
    relations = [(upper[edge], {row[edge]}) for edge in edges]
    for triangle in itertools.combinations(range(len(lower)), 3):
        sides = list(itertools.combinations(triangle, 2))
        relations.append((max(lower[side] for side in sides),
                          {row[side] for side in sides}))
    relations.sort(key=lambda relation: relation[0])

    reduced, found = {}, []
    for value, column in relations:
        while column and max(column) in reduced:
            column = column ^ reduced[max(column)]
        if column:
            reduced[max(column)] = column
            birth = lower[edges[max(column)]]
            if birth < value:
                found.append((birth, value))
    # Each edge has a cap: no class lives for ever.
    assert len(reduced) == len(edges)
    return np.array(sorted(found), float).reshape(-1, 2)


def doubled(lower, upper):
    """[2 n, 2 n]: what a general program takes for the same bars."""
    n = len(lower)
    matrix = np.zeros((2 * n, 2 * n), np.float32)
    matrix[:n, n:] = upper
    matrix[n:, :n] = upper.T
    matrix[n:, n:] = lower
    return matrix
