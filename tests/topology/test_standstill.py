"""Steps that wait for nothing: many calls, few cores, several devices.

A program that stands still is ended by its time limit. XLA has as many threads
as there are cores: nothing here may give it more.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.helpers import quick

_STEPS = """
import functools
import sys
import time
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import jax.numpy as jnp
import numpy as np
from topdis_jax import losses

rng = np.random.default_rng(0)
w = jnp.asarray(rng.normal(size=(3, 8)), jnp.float32)
devices = jax.local_device_count()

def loss(w, z, key, axis_name=None):
    return losses.topdis_loss(lambda codes: jnp.tanh(codes @ w), z, key,
                              shift=0.01, axis_name=axis_name)[0]

alone = jax.value_and_grad(loss)
shared = jax.value_and_grad(functools.partial(loss, axis_name='d'))
mesh = Mesh(np.array(jax.devices()), ('d',))
spread = NamedSharding(mesh, P('d'))
jitted = jax.jit(alone)
pmapped = jax.pmap(shared, axis_name='d', in_axes=(None, 0, None))
mapped = jax.jit(jax.shard_map(
    shared, mesh=mesh, in_specs=(P(), P('d'), P()), out_specs=P(),
    check_vma=False))
for n, calls in zip(map(int, sys.argv[1::2]), map(int, sys.argv[2::2])):
    z = jnp.asarray(rng.normal(size=(n, 3)), jnp.float32)
    for step, codes in ((jitted, z), (jitted, jax.device_put(z, spread)),
                        (pmapped, z.reshape(devices, -1, 3)), (mapped, z)):
        for _ in range(calls):  # queued, without waiting
            value, grad = step(w, codes, jax.random.key(1))
        print(np.ravel(value)[0])
"""

# Calls for each number of points; TOPDIS_MANY_CALLS=50 is the longer version.
_CALLS = {64: 50, 520: 10, 1000: 2}
_MANY = int(os.environ.get('TOPDIS_MANY_CALLS', '0'))


@pytest.mark.skipif(not shutil.which('taskset'), reason='needs taskset')
@pytest.mark.parametrize('cores', ['0', '0,1'])
def test_no_step_stands_still(cores):
    env = quick.environment(devices=2)
    assert 'NPROC' not in env
    sizes = [str(number) for n, calls in _CALLS.items()
             for number in (n, _MANY or calls)]
    done = subprocess.run(
        ['taskset', '-c', cores, sys.executable, '-c', _STEPS, *sizes],
        env=env, capture_output=True, text=True, timeout=_MANY * 60 or 500)
    assert done.returncode == 0, done.stderr
    values = np.array(done.stdout.split(), float).reshape(len(_CALLS), 4)
    assert np.all(values > 0)
    np.testing.assert_allclose(values, np.tile(values[:, :1], 4), rtol=1e-4)


def test_ctrl_c_while_the_engine_compiles(tmp_path):
    """The program ends there. A compiler would swallow the exception."""
    env = quick.environment(NUMBA_CACHE_DIR=str(tmp_path))
    program = subprocess.Popen(
        [sys.executable, '-c', 'import jax, numpy as np\n'
         'from topdis_jax import topology\n'
         'dist = 1 - np.eye(4, dtype=np.float32)\n'
         'jax.jit(topology.rtd)(dist, 2 * dist)\nprint("went on")'],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in program.stderr:
            if 'compiling' in line:
                break
        time.sleep(2)
        program.send_signal(signal.SIGINT)
        printed, errors = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode and 'went on' not in printed
    assert 'KeyboardInterrupt' in errors and 'Exception ignored' not in errors
