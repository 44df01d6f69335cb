"""What is lowered for accelerators alone, run here: the same numbers."""

import jax
from jax import lax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
import numpy as np
import pytest

from topdis_jax import losses, topology
from topdis_jax.losses import divergences
from topdis_jax.topology import distances, trees
from topdis_jax.topology.engines import primitive


@pytest.fixture
def accelerator(monkeypatch):
    """Takes what `platform_dependent` has for accelerators, traced anew."""
    calls = []

    def default_of(*args, default, **per_platform):
        assert 'cpu' in per_platform
        calls.append(default)
        return default(*args)

    jax.clear_caches()
    monkeypatch.setattr(lax, 'platform_dependent', default_of)
    monkeypatch.setattr(primitive, 'target', lambda ctx: 'tpu')
    yield calls
    jax.clear_caches()


def _values(n=20):
    """The loss and its gradient, all divergences, and some of topology."""
    rng = np.random.default_rng(3)
    codes = rng.normal(size=(n, 4)).astype(np.float32)
    weights = rng.normal(size=(4, 12)).astype(np.float32)

    def loss(weights, divergence):
        return losses.topdis_loss(lambda z: jax.nn.sigmoid(z @ weights), codes,
                                  jax.random.key(1), divergence=divergence,
                                  engine='xla', margin=0.01)[0]

    found = [jax.jit(jax.value_and_grad(loss), static_argnums=1)(
        weights, name) for name in divergences.BY_NAME]
    dist = topology.pairwise_distances(codes)
    return jax.device_get([found, topology.rips_barcode(dist, engine='xla'),
                           topology.scale_by_quantile(dist, quantile=0.35)])


def test_the_program_of_accelerators_gives_what_that_of_cpus_gives(
        accelerator, monkeypatch):
    found = _values()
    # Distances, quantiles, trees, and the two loops of the engine.
    assert len({default.__code__ for default in accelerator}) >= 4
    monkeypatch.undo()
    jax.clear_caches()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(
        a, b, rtol=2e-5, atol=1e-6), found, _values())


def test_the_program_of_accelerators_under_shard_map(accelerator):
    mesh = Mesh(np.array(jax.devices()[:4]), ('batch',))
    codes = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)

    def loss(z, axis_name=None):
        return losses.topdis_loss(jnp.tanh, z, jax.random.key(0),
                                  divergence='rtd_lite', axis_name=axis_name,
                                  margin=0.01)[0]

    spread = jax.shard_map(
        lambda z: loss(z, 'batch'), mesh=mesh,
        in_specs=PartitionSpec('batch'), out_specs=PartitionSpec())
    np.testing.assert_allclose(jax.jit(spread)(codes), jax.jit(loss)(codes),
                               rtol=1e-5)


@pytest.mark.parametrize('n', [2, 3, 9, 24])
@pytest.mark.parametrize('ties', [False, True])
def test_boruvka_finds_the_tree_of_prim(n, ties):
    prim, boruvka = (jax.jit(lambda *args, find=find: trees._in_order(
        *find(*args))[0]) for find in (trees._prim, trees._boruvka))
    rng = np.random.default_rng(n)
    for share in [0.8] * 20 + [1.0, 0.0]:
        dist = rng.random((n, n)).astype(np.float32)
        dist = np.round(5 * dist) if ties else dist
        dist, mask = np.maximum(dist, dist.T), rng.random(n) < share
        expected, found = (np.asarray(find(dist, mask))
                           for find in (prim, boruvka))
        used = max(0, int(mask.sum()) - 1)
        assert not np.any(found[used:])
        found, expected = found[:used], expected[:used]
        np.testing.assert_array_equal(_weights(dist, found),
                                      _weights(dist, expected))
        assert len(np.unique(_components(found, n))) == n - used
        if not ties:  # else the edges need not be the same
            np.testing.assert_array_equal(found, expected)


def _weights(dist, edges):
    return dist[edges[:, 0], edges[:, 1]]


def _components(edges, n):
    names = np.arange(n)
    for i, j in np.asarray(edges):
        names[names == names[i]] = names[j]
    return names


@pytest.mark.parametrize('size', [1, 7, 1000])
def test_digits_find_what_bits_find(size):
    values = np.random.default_rng(size).random(size).astype(np.float32)
    values[size // 2:][:size // 4] = np.inf
    values[:size // 5] = 0
    values[:size // 9] = 1e-40
    bits = lax.bitcast_convert_type(jnp.asarray(values), jnp.int32)
    for rank in {0, size // 3, size // 2, size - 1}:
        by_bits, by_digits = (find(bits, jnp.int32(rank)) for find in (
            distances._bit_by_bit, distances._digit_by_digit))
        assert by_bits == by_digits == np.sort(np.asarray(bits))[rank]
