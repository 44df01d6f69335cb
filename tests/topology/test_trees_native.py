"""Spanning trees by compiled code: those of the array program, edge by edge."""

import jax
from jax import export
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import topology
from topdis_jax.topology import trees

_array_program = jax.jit(
    lambda *args: trees._in_order(*trees._prim(*args))[0])


def _distances(rng, n, ties):
    dist = rng.random((n, n)).astype(np.float32)
    dist = np.round(4 * dist) if ties else dist
    dist = np.maximum(dist, dist.T)
    np.fill_diagonal(dist, 0)
    return dist


@pytest.mark.parametrize('n', [2, 3, 8, 33])
@pytest.mark.parametrize('ties', [False, True])
def test_the_same_edges_also_of_equal_ones(n, ties):
    rng = np.random.default_rng(n)
    for share in [0.7] * 30 + [1.0, 0.0]:
        dist, mask = _distances(rng, n, ties), rng.random(n) < share
        if share == 0.7 and rng.random() < 0.2:
            dist[0, 1:] = dist[1:, 0] = np.inf
        np.testing.assert_array_equal(
            jax.jit(topology.spanning_tree)(dist, mask=mask),
            _array_program(dist, mask))


@pytest.mark.parametrize('value', [np.nan, -1.0, np.inf])
def test_wrong_distances_do_no_harm(value):
    dist = jnp.asarray(_distances(np.random.default_rng(0), 9, False))
    dist = dist.at[2, 3].set(value).at[3, 2].set(value)
    edges = np.asarray(jax.jit(topology.spanning_tree)(dist))
    assert edges.shape == (8, 2) and np.all((edges >= 0) & (edges < 9))
    everything = jax.jit(topology.spanning_tree)(jnp.full((9, 9), value))
    assert np.all((everything >= 0) & (everything < 9))


@pytest.mark.parametrize('value', [np.nan, np.inf, 7.0, -1.0])
def test_what_is_no_distance_is_told(value):
    dist = np.asarray(topology.pairwise_distances(
        np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)))
    wrong = dist.copy()
    wrong[1, 3] = value
    for function in (topology.spanning_tree, topology.minimax_paths):
        with pytest.raises(ValueError, match='^dist must '):
            function(wrong)
        others = np.arange(5) != 3
        np.testing.assert_array_equal(function(wrong, mask=others),
                                      function(dist, mask=others))
    found = jax.jit(topology.minimax_paths)(wrong)
    assert np.isnan(found).all()
    wrong[3, 1] = value
    if value != 7:  # which is a distance where it is symmetric
        assert np.isnan(jax.jit(topology.minimax_paths)(wrong)).all()


def test_batches_in_one_call():
    rng = np.random.default_rng(1)
    dist = np.stack([[_distances(rng, 7, False) for _ in range(3)]
                     for _ in range(2)])
    mask = rng.random((2, 3, 7)) < 0.8
    expected = [[_array_program(dist[i, j], mask[i, j]) for j in range(3)]
                for i in range(2)]
    np.testing.assert_array_equal(
        topology.spanning_tree(dist, mask=mask), expected)
    both = jax.vmap(lambda d, m: topology.spanning_tree(d, mask=m))
    text = jax.jit(both).lower(dist, mask).as_text()
    assert text.count('@topdis_jax_barcodes') == 1
    np.testing.assert_array_equal(both(dist, mask), expected)
    one_mask = jax.vmap(topology.spanning_tree)(dist[0])
    np.testing.assert_array_equal(
        one_mask, [_array_program(d, np.ones(7, bool)) for d in dist[0]])


@pytest.mark.parametrize('platforms', [('cpu',), ('cpu', 'tpu', 'cuda')])
def test_exported_programs_have_operations_alone(platforms):
    dist = _distances(np.random.default_rng(2), 12, False)
    exported = export.export(jax.jit(topology.spanning_tree),
                             platforms=platforms)(dist)
    assert 'custom_call' not in exported.mlir_module()
    np.testing.assert_array_equal(exported.call(dist),
                                  topology.spanning_tree(dist))


def test_no_points_and_one():
    for n in (0, 1):
        assert topology.spanning_tree(jnp.zeros((n, n))).shape == (0, 2)
        assert topology.spanning_tree(
            jnp.zeros((3, n, n))).shape == (3, 0, 2)
