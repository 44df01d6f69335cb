"""The engine as a custom call, against the same engine called from Python."""

import multiprocessing
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests.helpers import quick
from topdis_jax.topology.engines import host, native, primitive

# The pairs (lower, upper) of the four barcodes of rtd.
PAIRS = ((0, 1), (0, 2), (2, 3), (1, 3))


def _matrices(batch, n, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 4, (*batch, n, 2))  # many ties
    lower = np.abs(points[..., :, None, :] - points[..., None, :, :]).sum(-1)
    upper = lower + rng.integers(0, 2) + lower % 3
    for matrix in (lower, upper):
        matrix[..., range(n), range(n)] = 0
    mask = rng.random((*batch, n)) < 0.8
    return lower.astype(np.float32), upper.astype(np.float32), mask


def _four(batch, n):
    """Four matrices that PAIRS fit, and a mask."""
    x, high, mask = _matrices(batch, n)
    y = np.swapaxes(x[..., ::-1, ::-1], -1, -2)
    return np.minimum(x, y), x, y, np.maximum(np.maximum(x, y), high), mask


def _call(num_bars=6, engine='host'):
    return jax.jit(lambda *args: primitive.Engine(engine)(*args, num_bars))


def _call_pairs(*args):
    *matrices, mask = args
    return jax.jit(primitive.pair_entries, static_argnums=(1, 3, 4))(
        tuple(matrices), PAIRS, mask, 6, primitive.Engine('host'))


def _expected(low, x, y, high, mask):
    return host.barcode_entries(
        np.stack([low, low, y, x]), np.stack([x, y, high, high]),
        np.stack([mask] * 4), 6)


def _assert_same(received, expected):
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('batch', [(), (1,), (3,), (2, 2), (0,)], ids=str)
@pytest.mark.parametrize('n', [0, 1, 2, 9, 20])
def test_equals_the_engine(batch, n):
    args = _matrices(batch, n, seed=n)
    _assert_same(_call()(*args), host.barcode_entries(*args, 6))


@pytest.mark.parametrize('batch', [(), (2,)], ids=str)
@pytest.mark.parametrize('n', [2, 20, 140])
def test_pairs_share_matrices(batch, n):
    args = _four(batch, n)
    _assert_same(_call_pairs(*args), _expected(*args))


def test_threads_in_the_custom_call(monkeypatch):
    args = _four((3,), 130)
    for threads in (1, 2, 5, 100):
        monkeypatch.setattr(host, 'cores', lambda: threads)
        jax.clear_caches()
        _assert_same(_call_pairs(*args), _expected(*args))


@pytest.mark.parametrize('n', [9, 600])
def test_without_python(n):
    shapes = [jax.ShapeDtypeStruct((2, *sizes), dtype) for sizes, dtype in (
        ((n, n), np.float32), ((n, n), np.float32), ((n,), bool))]
    text = _call(engine='auto').lower(*shapes).as_text()
    assert 'topdis_jax_barcodes' in text and 'callback' not in text


def test_matrices_that_are_not_valid():
    lower, upper, mask = _matrices((3,), 9)
    mask[:] = True
    lower[1, 2, 3] = np.nan
    count = np.asarray(_call()(lower, upper, mask).count)
    assert count[1] == -1 and count[0] >= 0 and count[2] >= 0


def test_vmap_of_some_of_the_arguments():
    lower, upper, mask = _matrices((4,), 12)
    mapped = jax.vmap(_call(), in_axes=(None, 0, None))(
        lower[0], np.maximum(lower[0], upper), mask[0])
    for i in range(4):
        single = _call()(lower[0], np.maximum(lower[0], upper[i]), mask[0])
        jax.tree.map(np.testing.assert_array_equal,
                     jax.tree.map(lambda x: x[i], mapped), single)


def test_vmap_of_pairs_along_any_axis():
    *matrices, mask = _four((3,), 12)
    mapped = jax.vmap(_call_pairs, in_axes=(1, 2, 1, 0, 0), out_axes=1)(
        matrices[0].swapaxes(0, 1), matrices[1].transpose(1, 2, 0),
        matrices[2].swapaxes(0, 1), matrices[3], mask)
    _assert_same(mapped, _expected(*matrices, mask))


def test_without_jit():
    args = _matrices((2,), 9)
    expected = host.barcode_entries(*args, 6)
    engine = primitive.Engine('host')
    _assert_same(engine(*args, 6), expected)
    with jax.disable_jit():
        _assert_same(engine(*args, 6), expected)


def _run(program, devices=1, cores=None, timeout=300, args=()):
    """Standard output of a program; its XLA has as many threads as cores."""
    env = quick.environment(devices=devices)
    assert 'NPROC' not in env
    command = [sys.executable, '-c', program, *args]
    if cores is not None:
        command = ['taskset', '-c', cores, *command]
    done = subprocess.run(command, env=env, capture_output=True, text=True,
                          timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


_EIGHT = """
import jax, numpy as np
from topdis_jax import topology
x = np.random.default_rng(0).random((8, 200, 3), np.float32)

def loss(x):
    return topology.rtd(*map(topology.pairwise_distances, (x, x[::-1] ** 2)),
                        engine='host')

step = jax.pmap(jax.value_and_grad(lambda x: jax.lax.psum(loss(x), 'i')),
                axis_name='i')
for _ in range(10):  # queued, without waiting
    out = step(x)
print('total', float(out[0][0]))
print('alone', float(sum(map(jax.jit(loss), x))))
"""


def test_eight_devices_of_few_threads_do_not_wait_for_one_another():
    total, alone = (float(line.split()[1])
                    for line in _run(_EIGHT, devices=8).splitlines())
    np.testing.assert_allclose(total, alone, rtol=1e-5)


_AT_ONCE = """
import threading
from topdis_jax.topology.engines import native
start, done = threading.Barrier(8), []

def use():
    start.wait()
    done.append(native.warm_up())

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == 8, 'threads failed'
assert len(set(map(id, done))) == 1, 'more than one engine'
"""


def test_threads_that_use_the_engine_first_at_once():
    _run(_AT_ONCE)


_COMPILING = """
import threading
import jax
import numpy as np
from topdis_jax import topology
x, y = np.random.default_rng(0).random((2, 8, 10, 10), np.float32)
x, y = (m + m.swapaxes(1, 2) for m in (x, y))
x[:, range(10), range(10)] = y[:, range(10), range(10)] = 0
start, found = threading.Barrier(8), {}

def use(i):
    start.wait()
    step = jax.jit(jax.value_and_grad(topology.rtd))
    found[i] = step(x[i], y[i]), topology.rtd(x[i], y[i])

threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for i in range(8):
    (loss, grad), eager = found[i]
    np.testing.assert_allclose(loss, eager, rtol=1e-6)
    assert loss > 0 and np.any(grad)
"""


def test_threads_that_compile_at_once():
    _run(_COMPILING)


def _in_a_child(pair):
    """Of a module that processes can import: see the test below."""
    from topdis_jax import topology
    return float(jax.jit(topology.rtd)(*pair))


def test_processes_by_spawn():
    low, x, y, _, _ = _four((), 9)
    with multiprocessing.get_context('spawn').Pool(2) as pool:
        found = pool.map(_in_a_child, [(x, y), (y, x), (low, x), (x, x)])
    expected = [_in_a_child(pair) for pair in ((x, y), (low, x))]
    np.testing.assert_allclose(found, [expected[0], *expected, 0], rtol=1e-6)


def test_the_handler_is_known_before_a_program_is_loaded():
    assert native.warm_up() is native.warm_up()
