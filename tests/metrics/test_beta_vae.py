"""beta-VAE score against the reference's, its laws, its messages."""

import numpy as np
import pytest

from tests.helpers import golden_metrics
from topdis_jax import metrics


@pytest.mark.parametrize('name', golden_metrics.NAMES)
def test_golden(name):
    case = golden_metrics.case(name)
    want = case.want['beta_vae']['eval_accuracy']
    score = metrics.beta_vae(case.represent, case.sizes)
    assert abs(score - want['mean']) <= max(0.01, 4 * want['std_ddof1'])


def _score(represent, sizes=(3, 4), **options):
    return metrics.beta_vae(represent, sizes, num_train=1000, num_eval=500,
                            **options)


def test_laws():
    assert _score(lambda f: f * 1.0) > 0.99
    # Two latents that mix both factors alike tell nothing apart...
    assert _score(lambda f: f.sum(axis=1, keepdims=True) * 0.0) < 0.6
    # ... and one that is dead changes nothing.
    assert _score(lambda f: np.hstack([f, f * 0])) == _score(lambda f: f)
    assert _score(lambda f: f[:, ::-1] * -1) == _score(lambda f: f)


def test_seed():
    def noisy(factors):
        return np.cos(factors @ [[3, 1.], [1, 2]])

    first = _score(noisy, batch_size=4, seed=1)
    assert first == _score(noisy, batch_size=4, seed=1)
    assert first != _score(noisy, batch_size=4, seed=2)


def test_messages():
    with pytest.raises(ValueError, match='factors.*two'):
        _score(lambda f: f, sizes=(3,))
    with pytest.raises(ValueError, match='num_train.*0'):
        metrics.beta_vae(lambda f: f, (3, 4), num_train=0)
    with pytest.raises(ValueError, match='one factor only.*num_train'):
        metrics.beta_vae(lambda f: f, (3, 4), num_train=1)
