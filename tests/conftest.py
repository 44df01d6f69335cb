"""Set-up of the test process, which is stricter than production.

Four fake devices, which must be asked for before JAX first looks for one.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from tests.helpers import quick

os.environ['XLA_FLAGS'] = (
    f'{os.environ.get("XLA_FLAGS", "")} {quick.flags(devices=4)}').strip()
# What one process compiled, the others and the programs they start can load.
if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    _cache = tempfile.mkdtemp(prefix='compiled_')
    atexit.register(shutil.rmtree, _cache, ignore_errors=True)
    os.environ.update(JAX_COMPILATION_CACHE_DIR=_cache,
                      JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0.1',
                      JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES='-1')
# In the background of a script Ctrl-C is ignored, also by programs that are
# started from there; tests send it to some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault('MPLBACKEND', 'Agg')
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# No test asks the published addresses; here no one listens.
os.environ['TOPDIS_JAX_MIRROR'] = 'http://localhost:9'

import jax  # noqa: E402  (the environment comes first)
import pytest  # noqa: E402

# [n] + [n, 1] must be an error here, not a silent [n, n].
jax.config.update('jax_numpy_rank_promotion', 'raise')


def pytest_configure(config):
    """Has the engine compiled before there are workers, for all of them."""
    if getattr(config.option, 'numprocesses', None):
        subprocess.run([sys.executable, '-c', (
            'from topdis_jax.topology.engines import native; '
            'native.warm_up()')], check=False)


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """Hides the data sets of this machine."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'tfds'))
    monkeypatch.chdir(tmp_path)
