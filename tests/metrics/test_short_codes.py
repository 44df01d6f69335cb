"""Scores of codes in the short floating types that JAX has."""

import jax.numpy as jnp
import numpy as np
import pytest

from topdis_jax import metrics
from topdis_jax.metrics import checks, code_table

SHORT = (jnp.bfloat16, jnp.float16)


def _table(n=400):
    rng = np.random.default_rng(0)
    factors = rng.integers(4, size=(n, 2))
    noise = rng.normal(size=(n, 3)) / 2
    return np.column_stack([factors, noise[:, 0]]) + noise, factors


@pytest.mark.parametrize('dtype', SHORT)
@pytest.mark.parametrize('score', [metrics.mig, metrics.modularity])
def test_scores_of_tables(score, dtype):
    codes, factors = _table()
    short = jnp.asarray(codes, dtype)
    assert score(short, jnp.asarray(factors)) == score(
        np.asarray(short.astype(jnp.float32)), factors)


@pytest.mark.parametrize('dtype', SHORT)
@pytest.mark.parametrize('scale', [1.0, 1e4])  # its square overflows float16
def test_scores_of_samples(dtype, scale):
    def represent(factors):
        return jnp.asarray(scale * factors, dtype)

    assert metrics.factor_vae(represent, (3, 4), num_train=200, num_eval=100,
                              num_variance=500) == 1


@pytest.mark.parametrize('dtype', SHORT)
def test_encoders(dtype):
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    table = code_table.CodeTable(
        lambda x: jnp.asarray(x.reshape(-1, 1), dtype), images, batch_size=4)
    codes = table.get(np.array([3, 7]))
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, [[3], [7]])


def test_messages_name_what_was_received():
    with pytest.raises(TypeError,
                       match='real numbers, received dtype complex64'):
        checks.check_codes(np.ones((2, 2), np.complex64))
    with pytest.raises(ValueError, match='latent 1 is NaN'):
        checks.check_codes(jnp.asarray([[0, jnp.nan]], jnp.bfloat16))
