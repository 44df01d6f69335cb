"""What a program gets for its platform: when exported, and when not."""

import functools
import subprocess
import sys

import jax
from jax import export
from jax.sharding import Mesh, PartitionSpec as P
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import quick
from topdis_jax import losses, topology
from topdis_jax.topology.engines import host, primitive

ALL = ('cpu', 'tpu', 'cuda')


def _clouds(n=10, seed=0):
    points = np.random.default_rng(seed).normal(size=(2, n, 3))
    return [np.abs(p[:, None] - p[None]).sum(-1).astype(np.float32)
            for p in points]


def _topdis(w, z, key):
    return losses.topdis_loss(lambda codes: jnp.tanh(codes @ w), z, key)[0]


def _arguments():
    rng = np.random.default_rng(0)
    return (*(rng.normal(size=size).astype(np.float32)
              for size in ((3, 5), (12, 3))), jax.random.key(0))


@pytest.mark.parametrize('n,platform,exported,how', [
    (1000, 'cpu', False, 'custom_call'), (256, 'tpu', False, 'xla'),
    (257, 'tpu', False, 'callback'), (128, 'cuda', False, 'xla'),
    (129, 'cuda', False, 'callback'), (129, 'gpu', False, 'callback'),
    (1000, 'cpu', True, 'xla'), (1000, 'tpu', True, 'xla')])
def test_engine_auto(n, platform, exported, how):
    assert primitive._implementation(
        'auto', n, None if exported else platform) == how


@pytest.mark.parametrize('platforms', [('cpu',), ('tpu',), ('cuda',), ALL],
                         ids=str)
def test_export_has_nothing_that_cannot_travel(platforms):
    args = _clouds()
    step = jax.jit(jax.value_and_grad(topology.rtd))
    exported = export.export(step, platforms=platforms)(*args)
    assert exported.platforms == platforms
    text = exported.mlir_module()
    assert 'callback' not in text and 'topdis_jax_barcodes' not in text
    if 'cpu' in platforms:
        expected = step(*args)  # not changed by what was exported before
        assert 'topdis_jax_barcodes' in step.lower(*args).as_text()
        jax.tree.map(np.testing.assert_array_equal, exported.call(*args),
                     expected)


_FRESH = """
import sys
from jax import export
import numpy as np
folder = sys.argv[1]
data = np.load(folder + '/data.npz')
program = export.deserialize(open(folder + '/program', 'rb').read())
assert program.platforms == ('cpu', 'tpu', 'cuda')
loss, grad = program.call(data['w'], data['z'], data['key'])
np.testing.assert_allclose(loss, data['loss'], rtol=1e-6)
np.testing.assert_allclose(grad, data['grad'], rtol=1e-5, atol=1e-7)
assert 'topdis_jax' not in sys.modules
"""


def test_one_artifact_for_all_platforms_in_a_fresh_process(tmp_path):
    pytest.importorskip('flatbuffers')

    def step(w, z, key):
        return jax.value_and_grad(_topdis)(w, z,
                                           jax.random.wrap_key_data(key))

    w, z, key = _arguments()
    args = w, z, np.asarray(jax.random.key_data(key))
    loss, grad = jax.jit(step)(*args)
    np.savez(tmp_path / 'data.npz', w=w, z=z, key=args[2], loss=loss,
             grad=grad)
    (tmp_path / 'program').write_bytes(export.export(
        jax.jit(step), platforms=ALL)(*args).serialize())
    done = subprocess.run([sys.executable, '-c', _FRESH, str(tmp_path)],
                          env=quick.environment(), capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_exported_says_so():
    pair = [jax.ShapeDtypeStruct((10, 10), np.float32)] * 2
    with pytest.raises(NotImplementedError, match="engine 'auto' or 'xla'"):
        export.export(jax.jit(functools.partial(topology.rtd, engine='host')))(
            *pair)
    large = [jax.ShapeDtypeStruct((1025, 1025), np.float32)] * 2
    with pytest.raises(NotImplementedError, match='1025 points.*at most 1024'):
        export.export(jax.jit(topology.rtd))(*large)


@pytest.mark.parametrize('check_vma', [False, True])
@pytest.mark.parametrize('platform', ['cpu', 'tpu', 'cuda'])
def test_shard_map_lowers_for_all_platforms(platform, check_vma):
    mesh = Mesh(np.array(jax.devices()[:2]), ('d',))
    step = jax.jit(jax.shard_map(
        jax.vmap(topology.rtd), mesh=mesh, in_specs=P('d'), out_specs=P('d'),
        check_vma=check_vma))
    x, y = (np.stack([m, m.T]) for m in _clouds())
    text = step.trace(x, y).lower(lowering_platforms=(platform,)).as_text()
    assert ('topdis_jax_barcodes' in text) == (platform == 'cpu')
    if platform == 'cpu':
        np.testing.assert_array_equal(step(x, y), [topology.rtd(*_clouds())]
                                      * 2)


def test_a_callback_gets_arrays_of_numpy(monkeypatch):
    """What accelerators get for many points, here on a CPU and for few."""
    received = []
    compute = host.barcode_entries

    def spy(*args):
        received.extend(map(type, args[:3]))
        return compute(*args)

    x, y = _clouds(8)
    expected = jax.jit(jax.value_and_grad(topology.rtd))(x, y)
    monkeypatch.setattr(primitive, '_implementation',
                        lambda *_: 'callback')
    monkeypatch.setattr(host, 'barcode_entries', spy)
    jax.clear_caches()
    # Another function: a program that was compiled before has no callback.
    found = jax.jit(jax.value_and_grad(lambda x, y: topology.rtd(x, y)))(x, y)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert received == [np.ndarray] * 3
    bad = jax.jit(lambda x, y: topology.rtd(x, y))(x, -y)
    assert np.isnan(bad)
    batch = jax.jit(jax.vmap(lambda x, y: topology.rtd(x, y)))(
        np.stack([x, y, x]), np.stack([y, x, x]))
    np.testing.assert_allclose(batch, [expected[0], expected[0], 0], rtol=1e-6)
    jax.clear_caches()


@pytest.mark.parametrize('engine', ['host', 'xla'])
def test_under_other_transforms(engine):
    x, y = map(jnp.asarray, _clouds())
    loss = functools.partial(topology.rtd, engine=engine)
    expected = loss(x, y)
    step = jax.jit(jax.value_and_grad(loss))
    carried, _ = jax.lax.scan(lambda total, _: (total + loss(x, y), None),
                              0.0, None, length=2)
    values = [
        jax.checkpoint(loss)(x, y), carried / 2,
        jax.lax.cond(x[0, 1] > 0, loss, lambda x, y: 0.0, x, y),
        jax.lax.while_loop(lambda state: state[0] < 1, lambda state: (
            state[0] + 1, loss(x, y)), (0, 0.0))[1],
        jax.lax.map(lambda pair: loss(*pair), (x[None], y[None]))[0]]
    with jax.debug_nans(True):
        values.append(step(x, y)[0])
    with jax.enable_x64(True):
        values.append(loss(np.asarray(x), np.asarray(y)))
    with jax.transfer_guard('disallow'):
        values.append(step(x, y)[0])
    np.testing.assert_allclose(values, [expected] * len(values), rtol=1e-6)
