"""What importing a part of the package brings with it."""

import subprocess
import sys

import pytest

HEAVY = ('flax', 'optax', 'orbax', 'tensorflow_datasets', 'sklearn',
         'matplotlib', 'ml_collections', 'h5py', 'PIL', 'chex')


def _loaded(statement):
    """Top-level names of the modules that a fresh process has after it."""
    code = (f'{statement}\nimport sys\n'
            'print(*sorted({name.split(".")[0] for name in sys.modules}))')
    run = subprocess.run([sys.executable, '-c', code], capture_output=True,
                         text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize('statement', [
    'from topdis_jax import losses', 'from topdis_jax import topology',
    'from topdis_jax import directions'])
def test_the_loss_needs_nothing_of_the_training(statement):
    loaded = _loaded(statement)
    assert {'jax', 'numba', 'numpy'} <= loaded
    assert not loaded & set(HEAVY)


def test_the_package_itself_imports_nothing():
    assert not _loaded('import topdis_jax') & {'jax', 'numpy', 'numba', *HEAVY}


def test_the_scores_need_no_jax():
    assert not _loaded('from topdis_jax import metrics') & {
        'jax', 'flax', 'optax', 'orbax', 'tensorflow_datasets', 'matplotlib'}


def test_scores_are_computed_without_jax():
    code = '''
import sys
sys.modules.update(dict.fromkeys(("jax", "numba", "flax", "matplotlib")))
import numpy as np
from topdis_jax import metrics
rng = np.random.default_rng(0)
factors = rng.integers(3, size=(200, 2))
codes = factors + 0.1 * rng.normal(size=(200, 2))
train, both = (codes, factors), (codes, factors) * 2
sampling = (lambda factors: factors + 0.0), (3, 3)
for name in metrics.__all__:
    score = getattr(metrics, name)
    arguments = {"udr": ([codes, codes],), "factor_vae": sampling,
                 "beta_vae": sampling, "sap": both, "dci": both,
                 "explicitness": both}.get(name, train)
    if not isinstance(score, type):
        assert np.all(np.isfinite(score(*arguments)[0] if name == "udr"
                                  else score(*arguments))), name
'''
    run = subprocess.run([sys.executable, '-c', code], capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stderr
