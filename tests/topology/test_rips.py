"""Absolute barcodes, spanning trees and minimax paths."""

import functools
import itertools

import jax
from jax import export
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial import distance

from tests.topology.test_persistence import general_bars, sorted_bars
from topdis_jax import topology
from topdis_jax.topology import persistence
from topdis_jax.topology.entries import weights_at

PLACES = 40  # one program for clouds of all sizes, by masks


@functools.cache
def _compiled(engine):
    return jax.jit(functools.partial(topology.rips_barcode, engine=engine))


def _random_distances(rng, n):
    """[n, n]: clouds, ties, integers, duplicates, no triangle inequality."""
    kind = rng.integers(5)
    if kind < 3:
        x = [rng.normal(size=(n, 3)), rng.integers(0, 4, (n, 2)),
             np.repeat(rng.normal(size=(n, 2)), 2, axis=0)[:n]][kind]
        dist = np.linalg.norm(x[:, None] - x[None], axis=-1)
    else:
        dist = rng.integers(1, 9, (n, n)) if kind == 3 else rng.random((n, n))
        dist = np.triu(dist, 1) + np.triu(dist, 1).T
    dist = dist.astype(np.float32)
    return np.maximum(dist, dist.T)


def _found(bars):
    """Sorted bars [b, 2] of positive length."""
    count = int(bars.count)
    used = topology.Barcode(*(np.asarray(x)[:count] for x in bars[:2]), count)
    assert np.all(used.deaths > used.births)
    assert np.all(np.asarray(bars.deaths)[count:]
                  == np.asarray(bars.births)[count:])
    return sorted_bars(used)


def _padded(dist):
    n = len(dist)
    whole = np.full((PLACES, PLACES), np.nan, np.float32)
    whole[:n, :n] = dist
    return whole, np.arange(PLACES) < n


@pytest.mark.parametrize('program,engine,inputs', [
    ('redzed_tda', 'host', 2000), ('gph', 'host', 500),
    ('redzed_tda', 'xla', 100)])
def test_agrees_with_general_programs(program, engine, inputs):
    module = pytest.importorskip(program)
    rng = np.random.default_rng(5)
    for _ in range(inputs):
        dist = _random_distances(rng, int(rng.integers(0, PLACES + 1)))
        whole, mask = _padded(dist)
        expected = 2 * [np.zeros((0, 2))]
        if len(dist):
            found = (module.rips(dist.astype(float)) if program != 'gph' else
                     module.ripser_parallel(dist, maxdim=1,
                                            metric='precomputed')['dgms'])
            expected = [general_bars(found[degree]) for degree in (0, 1)]
        for bars, general in zip(_compiled(engine)(whole, mask=mask),
                                 expected):
            np.testing.assert_allclose(_found(bars), general, rtol=1e-6)


@pytest.mark.parametrize('n', range(4))
def test_few_points(n):
    dist = 1 - np.eye(n, dtype=np.float32)
    degree_0, degree_1 = topology.rips_barcode(dist)
    assert degree_0.deaths.shape == (max(n - 1, 0),)
    np.testing.assert_array_equal(degree_0.deaths, np.ones(max(n - 1, 0)))
    assert degree_0.count == max(n - 1, 0) and degree_1.count == 0


def test_number_of_bars():
    dist = topology.pairwise_distances(
        np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32))
    whole = topology.rips_barcode(dist)
    some = topology.rips_barcode(dist, num_bars=3)
    for one, other in zip(some, whole):
        for left, right in zip(one[:2], other[:2]):
            np.testing.assert_array_equal(left, right[:3])
        assert one.count == other.count
    many, _ = topology.rips_barcode(dist, num_bars=12)
    np.testing.assert_array_equal(many.deaths[8:], np.zeros(4))


def _total(dist, mask=None, engine='auto'):
    degree_0, degree_1 = topology.rips_barcode(dist, mask=mask, num_bars=20,
                                               engine=engine)
    return jnp.sum(degree_0.deaths ** 2) + jnp.sum(
        3 * degree_1.deaths - degree_1.births ** 2)


@pytest.mark.parametrize('engine', ['host', 'xla'])
def test_gradients_by_finite_differences(engine):
    rng = np.random.default_rng(2)
    cloud = rng.normal(size=(14, 2)).astype(np.float32)
    change = rng.normal(size=cloud.shape).astype(np.float32)

    def loss(cloud):
        return _total(topology.pairwise_distances(cloud), engine=engine)

    grad = jax.jit(jax.grad(loss))(cloud)
    ends = [loss(cloud + s * change) for s in (1e-3, -1e-3)]
    np.testing.assert_allclose(jnp.vdot(grad, change),
                               (ends[0] - ends[1]) / 2e-3, rtol=2e-2)


def test_masked_is_compressed():
    rng = np.random.default_rng(3)
    dist = _random_distances(rng, 12)
    mask = rng.random(12) < 0.7
    kept = np.ix_(mask, mask)
    spoilt = np.where(mask[:, None] & mask[None], dist, np.nan)
    grad = jax.grad(_total)(jnp.asarray(spoilt), mask=mask)
    np.testing.assert_allclose(np.asarray(grad)[kept],
                               jax.grad(_total)(jnp.asarray(dist[kept])),
                               rtol=1e-6)
    assert not np.any(np.asarray(grad)[~mask])


def test_batches_and_vmap_are_loops():
    rng = np.random.default_rng(4)
    dist = np.stack([_random_distances(rng, 10) for _ in range(4)])
    loop = [topology.rips_barcode(d, num_bars=6) for d in dist]
    expected = jax.tree.map(lambda *x: np.stack(x), *loop)
    for found in (topology.rips_barcode(dist, num_bars=6),
                  jax.vmap(functools.partial(topology.rips_barcode,
                                             num_bars=6))(dist)):
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_values_that_are_not_valid():
    dist = jnp.asarray(_random_distances(np.random.default_rng(1), 6))
    for value in (jnp.nan, jnp.inf, -1.0):
        bad = dist.at[2, 3].set(value).at[3, 2].set(value)
        for bars in _compiled('host')(bad):
            assert bars.count == -1 and bars.status == 1
            assert np.all(np.isnan(bars.deaths))
        with pytest.raises(ValueError, match='dist must'):
            topology.rips_barcode(bad)


def test_exported_and_loaded():
    dist = jnp.asarray(_random_distances(np.random.default_rng(1), 12))
    call = jax.jit(functools.partial(topology.rips_barcode, num_bars=8))
    exported = export.export(call, platforms=('cpu', 'tpu', 'cuda'))(dist)
    loaded = export.deserialize(exported.serialize())
    jax.tree.map(np.testing.assert_array_equal, loaded.call(dist), call(dist))


@pytest.mark.parametrize('n', [2, 3, 20, 33])
def test_trees_against_single_linkage(n):
    rng = np.random.default_rng(n)
    for _ in range(10):
        dist = _random_distances(rng, n)
        dist[~np.eye(n, dtype=bool)] += 1  # SciPy's is right for these alone
        linkage = hierarchy.single(distance.squareform(dist))
        edges = topology.spanning_tree(dist)
        assert np.all(edges[:, 0] < edges[:, 1])
        np.testing.assert_allclose(
            weights_at(jnp.asarray(dist), edges), linkage[:, 2])
        np.testing.assert_allclose(
            topology.minimax_paths(dist),
            distance.squareform(hierarchy.cophenet(linkage)))


def test_trees_with_a_mask():
    rng = np.random.default_rng(0)
    dist = _random_distances(rng, 11)
    mask = rng.random(11) < 0.6
    points = np.flatnonzero(mask)
    kept = dist[np.ix_(mask, mask)]
    spoilt = np.where(mask[:, None] & mask[None], dist, np.nan)
    edges = topology.spanning_tree(spoilt, mask=mask)
    np.testing.assert_array_equal(
        edges[:len(points) - 1], points[topology.spanning_tree(kept)])
    assert not np.any(edges[len(points) - 1:])
    paths = np.asarray(topology.minimax_paths(spoilt, mask=mask))
    np.testing.assert_array_equal(paths[np.ix_(mask, mask)],
                                  topology.minimax_paths(kept))
    assert np.all(np.isinf(paths[~mask]))


def test_gradient_of_minimax_paths():
    """Each goes to the edge that decides, by finite differences."""
    dist = topology.pairwise_distances(
        jax.random.normal(jax.random.key(2), (8, 3)))
    weights = jax.random.normal(jax.random.key(0), dist.shape)

    def loss(dist):
        return jnp.sum(weights * topology.minimax_paths(dist))

    change = jax.random.normal(jax.random.key(1), dist.shape)
    change = (change + change.T) * (1 - jnp.eye(8))
    ends = [loss(dist + s * change) for s in (1e-3, -1e-3)]
    np.testing.assert_allclose(jnp.vdot(jax.grad(loss)(dist), change),
                               (ends[0] - ends[1]) / 2e-3, rtol=2e-2)


def _by_reduction(dist):
    """Sorted bars of degree 1 of positive length: all edges and triangles of
    the whole complex, by the standard algorithm."""
    edges = sorted(itertools.combinations(range(len(dist)), 2),
                   key=lambda edge: dist[edge])
    row = {edge: r for r, edge in enumerate(edges)}
    columns = sorted(
        (max(sides), sides) for sides in (
            [row[side] for side in itertools.combinations(triangle, 2)]
            for triangle in itertools.combinations(range(len(dist)), 3)))
    reduced, found = {}, []
    for last, sides in columns:
        column = set(sides)
        while column and max(column) in reduced:
            column = column ^ reduced[max(column)]
        if column:
            reduced[max(column)] = column
            birth, death = dist[edges[max(column)]], dist[edges[last]]
            found += [(birth, death)] if birth < death else []
    return np.array(sorted(found), float).reshape(-1, 2)


@pytest.mark.parametrize('n', [0, 1, 3, 4, 9, 16, 20])
def test_bars_with_their_edges(n):
    rng = np.random.default_rng(n)
    for _ in range(6):
        dist = _random_distances(rng, n)
        bars = persistence.rips_h1(dist)
        np.testing.assert_array_equal(sorted_bars(bars), _by_reduction(dist))
        np.testing.assert_array_equal(
            sorted_bars(bars), _found(topology.rips_barcode(dist)[1]))
        for values, edges in ((bars.births, bars.birth_edges),
                              (bars.deaths, bars.death_edges)):
            np.testing.assert_array_equal(values, dist[tuple(edges.T)])
        assert not bars.capped.any()
        assert np.all(np.diff(bars.deaths - bars.births) <= 0)


def test_bars_with_their_edges_are_relative_ones():
    """Every edge but those of a spanning tree ends later than all bars."""
    dist = _random_distances(np.random.default_rng(7), 30)
    upper = np.full_like(dist, 2 * dist.max() + 1)
    np.fill_diagonal(upper, 0)
    for i, j in topology.spanning_tree(dist):
        upper[i, j] = upper[j, i] = dist[i, j]
    for one, other in zip(persistence.rips_h1(dist),
                          persistence.relative_h1(dist, upper)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('dist,message', [
    (np.ones((5, 3)), r'dist must have shape \[n, n\], received \(5, 3\); of '
     'points.*pairwise_distances'),
    (np.ones((2, 3, 3)), 'jax.vmap'),
    (np.full((2, 2), 'a'), 'dist must hold real numbers'),
    (np.ones((3, 3)), 'dist must have a zero diagonal'),
    (np.triu(np.ones((3, 3)), 1), 'dist must be symmetric')])
def test_messages_of_bars_with_their_edges(dist, message):
    with pytest.raises(ValueError, match=message):
        persistence.rips_h1(dist)


def test_points_in_place_of_distances():
    points = np.ones((5, 3), np.float32)
    for call in (topology.rips_barcode, lambda x: topology.rtd(x, x),
                 lambda x: topology.relative_barcode(x, x),
                 topology.spanning_tree):
        with pytest.raises(ValueError, match='pairwise_distances'):
            call(points)
