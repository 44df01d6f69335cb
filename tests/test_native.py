"""The engine as a custom call, against the same engine called from Python."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from tests import quick
from topdis_jax.topology import dispatch, persistence


def _matrices(batch, n, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 4, (*batch, n, 2))  # many ties
    lower = np.abs(points[..., :, None, :] - points[..., None, :, :]).sum(-1)
    upper = lower + rng.integers(0, 2) + lower % 3
    for matrix in (lower, upper):
        matrix[..., range(n), range(n)] = 0
    mask = rng.random((*batch, n)) < 0.8
    return lower.astype(np.float32), upper.astype(np.float32), mask


def _call(num_bars=6):
    return jax.jit(lambda *args: dispatch.host_entries(*args, num_bars))


@pytest.mark.parametrize('batch', [(), (1,), (3,), (2, 2), (0,)], ids=str)
@pytest.mark.parametrize('n', [0, 1, 2, 9, 20])
def test_equals_the_engine(batch, n):
    args = _matrices(batch, n, seed=n)
    for received, expected in zip(
            _call()(*args), persistence.barcode_entries(*args, 6)):
        np.testing.assert_array_equal(received, expected)


def test_without_python():
    text = _call().lower(*_matrices((2,), 9)).as_text()
    assert 'topdis_jax_barcodes' in text and 'callback' not in text


def test_many_points_go_to_a_callback_with_the_same_result(monkeypatch):
    args = _matrices((3,), 20)
    expected = _call()(*args)
    monkeypatch.setattr(dispatch, '_NATIVE_POINTS', 19)
    call = _call()
    assert 'callback' in call.lower(*args).as_text()
    for received, entry in zip(call(*args), expected):
        np.testing.assert_array_equal(received, entry)


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
    env = quick.environment(devices=8)
    env.pop('NPROC')
    done = subprocess.run([sys.executable, '-c', _EIGHT], env=env,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    total, alone = (float(line.split()[1])
                    for line in done.stdout.splitlines())
    np.testing.assert_allclose(total, alone, rtol=1e-5)


_AT_ONCE = """
import threading
from topdis_jax.topology import native
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
    done = subprocess.run([sys.executable, '-c', _AT_ONCE], timeout=300,
                          env=quick.environment(), capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
