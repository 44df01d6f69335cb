"""Plain jit of arrays that lie on several devices, without an axis name."""

import re

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import losses, topology
from topdis_jax.topology.engines import primitive

MESHES = {'one axis': ((4,), ('d',)), 'two axes': ((2, 2), ('d', 'e'))}


def _mesh(name):
    sizes, axes = MESHES[name]
    return Mesh(np.reshape(jax.devices()[:4], sizes), axes)


def _clouds(*batch, n=9, seed=0):
    x, y = np.random.default_rng(seed).normal(size=(2, *batch, n, 3))
    return [jnp.asarray(np.abs(p[..., :, None, :] - p[..., None, :, :]).sum(-1),
                        jnp.float32) for p in (x, y)]


def _shared(tree, mesh, *axes):
    return jax.device_put(tree, NamedSharding(mesh, P(*axes)))


def _items(step, *args):
    """Barcodes that one device computes, by the shape of the counts."""
    text = jax.jit(step).lower(*args).compile().as_text()
    shapes = re.findall(r'= \(.*?, s32\[([\d,]*)\]\S*\) custom-call\([^\n]*'
                        'topdis_jax_barcodes', text)
    assert shapes
    return sum(int(np.prod(eval(f'[{shape}]'))) for shape in shapes)


@pytest.mark.parametrize('engine', ['host', 'xla'])
@pytest.mark.parametrize('name', MESHES)
def test_topdis_of_a_batch_that_is_spread(name, engine):
    rng = np.random.default_rng(0)
    w, z = (jnp.asarray(rng.normal(size=size), jnp.float32)
            for size in ((3, 5), (16, 3)))

    def loss(w, z):
        return losses.topdis_loss(lambda codes: jnp.tanh(codes @ w), z,
                                  jax.random.key(0), engine=engine)[0]

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    expected = step(w, z)
    mesh = _mesh(name)
    found = step(_shared(w, mesh), _shared(z, mesh, mesh.axis_names))
    assert expected[0] > 0
    jax.tree.map(lambda one, other: np.testing.assert_allclose(
        one, other, rtol=1e-4, atol=1e-6), found, expected)


def _exchanges_in_loops(text):
    """Collectives that a compiled program reaches from a loop's body."""
    calls, found, name = {}, {}, None
    for line in text.splitlines():
        if line.endswith('{') and ' (' in line:
            name = line.split(' (')[0].removeprefix('ENTRY ').lstrip('%')
        calls.setdefault(name, set()).update(re.findall(
            r'(?:to_apply|calls|body|condition)=%?([\w.-]+)', line))
        found.setdefault(name, []).extend(re.findall(
            r' (all-\w+|collective-\w+|reduce-scatter)\S*\(', line))
    reached = set()
    ahead = set(re.findall(r'(?:body|condition)=%?([\w.-]+)', text))
    assert ahead and any(found.values())
    while ahead:
        reached |= ahead
        ahead = set().union(*(calls[name] for name in ahead)) - reached
    return [one for name in sorted(reached) for one in found[name]]


@pytest.mark.parametrize('options', [
    {}, {'engine': 'xla'}, {'divergence': 'srtd'},
    {'divergence': 'rtd_lite'}], ids=str)
def test_devices_exchange_nothing_within_loops(options):
    """Turn by turn it is slow, and each turn waits for all devices."""
    rng = np.random.default_rng(0)
    w, z = (jnp.asarray(rng.normal(size=size), jnp.float32)
            for size in ((3, 40), (16, 3)))

    def loss(w, z):
        return losses.topdis_loss(lambda codes: jnp.tanh(codes @ w), z,
                                  jax.random.key(0), **options)[0]

    mesh = _mesh('one axis')
    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    text = step.lower(_shared(w, mesh), _shared(z, mesh, 'd')).compile()
    assert not _exchanges_in_loops(text.as_text())


def test_each_device_computes_its_share():
    x, y = _clouds()
    assert _items(topology.rtd, x, y) == 4
    assert _items(topology.rtd, *_shared((x, y), _mesh('one axis'))) == 1
    batch = _clouds(8)
    spread = _shared(batch, _mesh('one axis'), 'd')
    assert _items(jax.vmap(topology.rtd), *spread) == 8
    assert _items(jax.grad(topology.rtd), *_shared((x, y),
                                                   _mesh('two axes'))) == 1


@pytest.mark.parametrize('size', [1, 3, 8])
def test_batches_equal_one_device(size):
    x, y = _clouds(size)
    mask = np.random.default_rng(1).random((size, 9)) < 0.8
    step = jax.jit(jax.vmap(jax.value_and_grad(
        lambda x, y, mask: topology.rtd(x, y, mask=mask))))
    expected = step(x, y, mask)
    axes = ('d',) if size % 4 == 0 else ()
    found = step(*_shared((x, y, mask), _mesh('one axis'), *axes))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(
        one, other, rtol=1e-6, atol=1e-7), found, expected)


@pytest.mark.parametrize('axes', [(), ('d',), ('d', 'e'), ('e', None, 'd')])
def test_entries_of_pairs_equal_one_device(axes):
    x, y = _clouds(2, 2, n=8)
    matrices = x, y, jnp.minimum(x, y), jnp.maximum(x, y)
    pairs = (2, 0), (2, 1), (1, 3)
    mask = np.ones((2, 2, 8), bool)
    call = jax.jit(primitive.pair_entries, static_argnums=(1, 3, 4))
    engine = primitive.Engine('auto')
    expected = call(matrices, pairs, mask, 7, engine)
    found = call(_shared(matrices, _mesh('two axes'), *axes), pairs, mask, 7,
                 engine)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_one_barcode_is_not_divided():
    x, y = _shared(_clouds(), _mesh('one axis'))
    bars = jax.jit(topology.relative_barcode)(x, x + y)
    alone = topology.relative_barcode(*map(np.asarray, (x, x + y)))
    jax.tree.map(np.testing.assert_array_equal, bars, alone)


def test_within_a_mesh_that_is_set():
    if not hasattr(jax, 'set_mesh'):
        pytest.skip('this JAX sets no mesh')
    x, y = _clouds()
    expected = topology.rtd(x, y)
    mesh = jax.make_mesh((4,), ('d',), axis_types=(
        jax.sharding.AxisType.Auto,), devices=jax.devices()[:4])
    with jax.set_mesh(mesh):
        np.testing.assert_allclose(jax.jit(topology.rtd)(x, y), expected,
                                   rtol=1e-6)
