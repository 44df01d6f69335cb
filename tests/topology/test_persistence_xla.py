"""Engine 'xla': laws, the bars of other programs, gradients, transforms.

Compiling takes most of the time, so inputs of few sizes go in batches; masks
make the smaller ones of these.
"""

import functools
import subprocess
import sys

import jax
from jax import export
from jax.sharding import Mesh, PartitionSpec
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import quick, reference_persistence as reference
from tests.topology.test_persistence import INVALID, KINDS, _spoilt, random_pair
from topdis_jax import topology
from topdis_jax.topology.engines import (
    bitsets, host, primitive, xla, xla_generators)

PLACES = 60


def _entries(lower, upper, mask):
    return xla.barcode_entries(lower, upper, mask, PLACES)


def inputs(n, items, seed=0):
    """(lower, upper [items, n, n], mask [items, n]) of all kinds."""
    rng = np.random.default_rng(seed)
    lower, upper = np.zeros((2, items, n, n), np.float32)
    mask = np.zeros((items, n), bool)
    for item in range(items):
        while not lower[item].any():
            pair = random_pair(rng, n, KINDS[item % len(KINDS)])
            size = len(pair[0])
            points = np.sort(rng.permutation(n)[:size])
            for matrix, values in zip((lower, upper), pair):
                matrix[item][np.ix_(points, points)] = values
            mask[item, points] = True
            if n < 2:
                break
    return lower, upper, mask


def clouds(n=10, seeds=4):
    """Distances x and y, [seeds, n, n] each."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(seeds, n, 3))
    y = x + 0.5 * rng.normal(size=x.shape)
    return tuple(jnp.stack([topology.pairwise_distances(
        jnp.asarray(cloud, jnp.float32)) for cloud in batch])
        for batch in (x, y))


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def loss_and_grads(engine):
    return jax.jit(jax.value_and_grad(
        functools.partial(topology.rtd, engine=engine), argnums=(0, 1)))


# Laws.


def test_equal_matrices_have_no_bar():
    x, _ = clouds(12, 8)
    entries = _entries(x, x, jnp.ones((8, 12), bool))
    assert not any(np.any(part) for part in entries)


def test_order_of_the_points_does_not_matter():
    x, y = clouds(12, 8)
    order = np.random.default_rng(2).permutation(12)
    low, mask = jnp.minimum(x, y), jnp.ones((8, 12), bool)
    one = _entries(low, x, mask)
    other = _entries(low[:, order][:, :, order], x[:, order][:, :, order],
                     mask)
    np.testing.assert_array_equal(one.count, other.count)
    np.testing.assert_array_equal(np.sort(one.birth_edges),
                                  np.sort(order[other.birth_edges])
                                  * (one.birth_edges.any(-1, keepdims=True)))


def test_sets_of_bits():
    rng = np.random.default_rng(3)
    members = rng.random((9, 70)) < 0.3
    sets = np.asarray(bitsets.pack(members))
    assert sets.shape == (9, 3)
    np.testing.assert_array_equal(bitsets.pack_first(
        np.pad(members, ((0, 0), (0, 26))).T), sets.T)
    np.testing.assert_array_equal(bitsets.count(sets), members.sum(1))
    for row, one in zip(members, sets):
        assert bitsets.highest(one) == np.flatnonzero(row)[-1]
    inside = np.flatnonzero(members[0])
    np.testing.assert_array_equal(
        bitsets.find(np.stack([sets[0]] * len(inside)), np.arange(len(inside)),
                     70), inside)
    assert bitsets.highest(jnp.zeros(3, jnp.uint32)) == -1
    assert bitsets.single(jnp.int32(33), 2).tolist() == [0, 2]
    assert bitsets.single(jnp.int32(-1), 2).tolist() == [0, 0]


# Independent answers.


@pytest.mark.parametrize('n, items', [
    (0, 1), (1, 2), (2, 30), (3, 60), (12, 400), (33, 70)])
def test_entries_of_the_host_engine(n, items):
    args = inputs(n, items)
    assert_same(_entries(*args),
                host.barcode_entries(*args, PLACES))


def test_plain_reduction():
    lower, upper, mask = inputs(12, 400, seed=0)
    entries = _entries(lower, upper, mask)
    for item in range(21):
        births, deaths, capped, count = (part[item] for part in entries)
        at_birth, at_death = tuple(births[:count].T), tuple(deaths[:count].T)
        ends = np.where(capped[:count], upper[item][at_death],
                        lower[item][at_death])
        bars = sorted(zip(lower[item][at_birth], ends))
        kept = np.ix_(mask[item], mask[item])
        np.testing.assert_array_equal(
            np.reshape(bars, (-1, 2)),
            reference.bars(lower[item][kept], upper[item][kept]))


def test_more_than_one_turn_and_blocks_of_rows(monkeypatch):
    """Many relations and generators, and no room for all triangles."""
    monkeypatch.setattr(xla_generators, '_BLOCK', 10 * 40 * 40)
    rng = np.random.default_rng(4)
    lower = np.triu(rng.random((40, 40)), 1).astype(np.float32)
    lower = lower + lower.T
    upper = (lower + 1) * ~np.eye(40, dtype=bool)
    mask = np.ones(40, bool)
    assert_same(xla.barcode_entries(lower, upper, mask, 200),
                host.barcode_entries(lower, upper, mask, 200))


def test_bipartite_graph_needs_more_room():
    """All its 144 edges are generators."""
    side = np.arange(24) % 2
    upper = np.float32(3) * ~np.eye(24, dtype=bool)
    lower = np.where(side[:, None] == side, upper, 1).astype(np.float32)
    lower *= upper > 0
    little = topology.relative_barcode(lower, upper, engine='xla')
    assert little.count == -144 and np.isnan(little.births).all()
    enough = topology.relative_barcode(lower, upper, engine='xla',
                                       capacity=144)
    assert_same(enough, topology.relative_barcode(lower, upper,
                                                  engine='host'))


def test_invalid_values_as_on_the_host():
    pairs = [_spoilt(5)] + [_spoilt(5, **bad) for bad in INVALID.values()]
    lower, upper = (np.stack(part) for part in zip(*pairs))
    for mask in (np.ones(5, bool), np.arange(5) != 3):
        mask = np.broadcast_to(mask, (len(lower), 5))
        entries = _entries(lower, upper, mask)
        assert_same(entries, host.barcode_entries(lower, upper, mask,
                                                  PLACES))
        assert entries.count[0] > 0 and min(entries.count) == -1
    bars = jax.jit(lambda *pair: topology.relative_barcode(
        *pair, num_bars=PLACES, engine='xla'))(lower, upper)
    assert np.isfinite(bars.deaths[0]).all()
    assert np.isnan(bars.births[1:]).all() and np.isnan(bars.deaths[1:]).all()


def test_minus_zero_is_zero():
    lower = np.array([[0, 1, 1], [1, 0, -0.0], [1, 0.0, -0.0]], np.float32)
    args = (np.stack([lower] * 60), np.stack([2 * np.abs(lower)] * 60),
            np.ones((60, 3), bool))
    assert_same(_entries(*args), host.barcode_entries(*args, PLACES))


# Gradients and transforms.


def test_gradients_of_the_host_engine():
    x, y = clouds(12, 20)
    x = x.at[10:].set(jnp.ceil(2 * x[10:]))  # ties
    y = y.at[10:].set(jnp.ceil(2 * y[10:]))
    host, xla = (jax.jit(jax.vmap(loss_and_grads(engine)))(x, y)
                 for engine in ('host', 'xla'))
    np.testing.assert_array_equal(host[0], xla[0])
    assert_same(host[1], xla[1])
    assert np.abs(xla[1]).max() > 0


def test_gradient_equals_finite_differences():
    x, y = (m[0] for m in clouds())
    rng = np.random.default_rng(5)
    change = np.triu(rng.normal(size=x.shape), 1).astype(np.float32)
    change, step = change + change.T, 1e-3
    loss = loss_and_grads('xla')
    numeric = (loss(x + step * change, y)[0]
               - loss(x - step * change, y)[0]) / (2 * step)
    exact = jnp.vdot(loss(x, y)[1][0], change)
    np.testing.assert_allclose(exact, numeric, rtol=2e-2)


@functools.cache
def _expected():
    x, y = clouds()
    return x, y, jax.jit(jax.vmap(loss_and_grads('host')))(x, y)


def _check(losses, grads):
    want = _expected()[2]
    np.testing.assert_allclose(losses.reshape(4), want[0], rtol=1e-6)
    for got, expected in zip(grads, want[1]):
        np.testing.assert_allclose(got.reshape(4, 10, 10), expected,
                                   rtol=1e-6)


def _shard_map(function, check_vma):
    spec = PartitionSpec('d')
    return jax.jit(jax.shard_map(
        jax.vmap(function), mesh=Mesh(np.array(jax.devices()[:4]), ('d',)),
        in_specs=(spec, spec), out_specs=spec, check_vma=check_vma))


TRANSFORMS = {
    'plain': lambda f: lambda x, y: jax.tree.map(
        lambda *parts: jnp.stack(parts), *map(f, x, y)),
    'nested vmap': lambda f: lambda x, y: jax.jit(jax.vmap(jax.vmap(f)))(
        x.reshape(2, 2, 10, 10), y.reshape(2, 2, 10, 10)),
    'scan': lambda f: lambda x, y: jax.lax.scan(
        lambda carry, d: (carry, f(*d)), None, (x, y))[1],
    'pmap': jax.pmap,
    'shard_map': lambda f: _shard_map(f, False),
    'shard_map with check_vma': lambda f: _shard_map(f, True),
}


@pytest.mark.parametrize('name', TRANSFORMS)
def test_transforms(name):
    x, y, _ = _expected()
    _check(*TRANSFORMS[name](loss_and_grads('xla'))(x, y))


def test_one_loop_for_all_barcodes():
    """vmap makes a larger batch, no choice between old and new in a loop."""
    x, y, _ = _expected()
    loss = functools.partial(topology.rtd, engine='xla')

    def loops(jaxpr):
        found = [e for e in jaxpr.eqns if e.primitive.name == 'while']
        for equation in jaxpr.eqns:
            for inner in jax.tree.leaves(
                    list(equation.params.values()),
                    is_leaf=lambda p: hasattr(p, 'eqns')
                    or hasattr(p, 'jaxpr')):
                inner = getattr(inner, 'jaxpr', inner)
                if hasattr(inner, 'eqns'):
                    found += loops(inner)
        return found

    def entries(x, y):
        return _entries(jnp.minimum(x, y), y, jnp.ones(len(x), bool))

    one = loops(jax.make_jaxpr(entries)(x[0], y[0]).jaxpr)
    many = loops(jax.make_jaxpr(jax.vmap(entries))(x, y).jaxpr)
    assert len(one) == len(many) > 0
    for loop in many:
        condition = loop.params['cond_jaxpr'].jaxpr
        assert condition.outvars[0].aval.shape == ()
    texts = [jax.jit(function).lower(*args).as_text()
             for function, args in ((loss, (x[0], y[0])),
                                    (jax.vmap(loss), (x, y)))]
    assert len({text.count('stablehlo.while') for text in texts}) == 1


def test_engine_auto(monkeypatch):
    assert primitive.resolve_engine('auto', 10) == 'host'
    monkeypatch.setattr(jax, 'default_backend', lambda: 'tpu')
    assert primitive.resolve_engine('auto', 256) == 'xla'
    assert primitive.resolve_engine('auto', 257) == 'host'
    assert primitive.resolve_engine('host', 10) == 'host'


def test_messages():
    big = jax.ShapeDtypeStruct((1025, 1025), jnp.float32)
    with pytest.raises(ValueError, match="1025 points.*engine 'host'"):
        jax.eval_shape(functools.partial(topology.rtd, engine='xla'), big,
                       big)
    with pytest.raises(ValueError, match='capacity must be a whole number of'):
        topology.rtd(jnp.zeros((3, 3)), jnp.zeros((3, 3)), engine='xla',
                     capacity=0)


# Exported programs.

_FRESH = """
import sys
import jax
import numpy as np
from jax import export
from topdis_jax import topology

folder = sys.argv[1]
data = np.load(folder + '/data.npz')
loaded = export.deserialize(open(folder + '/program', 'rb').read())
loss, grads = loaded.call(data['x'][0], data['y'][0])
np.testing.assert_array_equal(loss, data['loss'][0])
np.testing.assert_array_equal(grads[0], data['grad'][0])
assert jax.local_device_count() == 8
x, y = (np.concatenate([data[name]] * 2) for name in 'xy')
step = jax.pmap(jax.value_and_grad(
    lambda x, y: topology.rtd(x, y, engine='xla')))
for _ in range(20):  # queued, without waiting
    losses, grads = step(x, y)
np.testing.assert_array_equal(losses[:4], data['loss'])
np.testing.assert_array_equal(grads[:4], data['grad'])
"""


def test_exported_and_loaded_in_a_fresh_process_with_eight_devices(tmp_path):
    pytest.importorskip('flatbuffers')
    x, y, _ = _expected()
    function = jax.jit(loss_and_grads('xla'))
    losses, grads = zip(*map(function, x, y))
    np.savez(tmp_path / 'data.npz', x=x, y=y, loss=np.stack(losses),
             grad=np.stack([pair[0] for pair in grads]))
    (tmp_path / 'program').write_bytes(
        export.export(function)(x[0], y[0]).serialize())
    env = quick.environment(devices=8)
    done = subprocess.run([sys.executable, '-c', _FRESH, str(tmp_path)],
                          env=env, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('platform', ['tpu', 'cuda'])
def test_lowers_for_accelerators(platform):
    x, y, _ = _expected()
    function = jax.jit(loss_and_grads('xla'))
    exported = export.export(function, platforms=(platform,))(x[0], y[0])
    assert exported.platforms == (platform,)
    assert 'callback' not in exported.mlir_module()
