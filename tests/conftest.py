"""Set-up of the test process, which is stricter than production.

Four fake devices, and a pool of host threads large enough for them: with few
cores the CPU client otherwise runs out of threads while callbacks wait.
All must be set before JAX first looks for devices.
"""

import atexit
import os
import shutil
import tempfile

os.environ['XLA_FLAGS'] = (
    os.environ.get('XLA_FLAGS', '')
    + ' --xla_force_host_platform_device_count=4'
    # Nearly all the time of the tests is compilation.
    + ' --xla_backend_optimization_level=0').strip()
# What one process compiled, the others and the programs they start can load.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    _cache = tempfile.mkdtemp(prefix='compiled_')
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)
    os.environ.update(JAX_COMPILATION_CACHE_DIR=_cache,
                      JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0',
                      JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES='-1')
os.environ.setdefault('NPROC', '32')
os.environ.setdefault('MPLBACKEND', 'Agg')
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax  # noqa: E402  (the environment comes first)

# [n] + [n, 1] must be an error here, not a silent [n, n].
jax.config.update('jax_numpy_rank_promotion', 'raise')
