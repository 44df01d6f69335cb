"""MIG against the reference's values, and the evaluation around it."""

import json
import os

import numpy as np
import pytest
from scipy import special

from topdis_jax import metrics
from topdis_jax.data.factors import FactorDataset
from topdis_jax.metrics import evaluate

FOLDER = os.path.join(os.path.dirname(__file__), 'golden')


def _golden():
    with open(os.path.join(FOLDER, 'metrics.json')) as file:
        return json.load(file)


@pytest.mark.parametrize('case', ['tiny', 'linear_mix', 'noisy', 'perfect'])
def test_mig_golden(case):
    arrays = np.load(os.path.join(FOLDER, f'{case}.npz'))
    golden = _golden()['cases'][case]['mig_float64_codes']
    score = metrics.mig(arrays['codes_train'], arrays['factors_train'])
    np.testing.assert_allclose(score, golden['discrete_mig'], atol=1e-9)


def _dataset():
    """Images whose pixels hold their own factors."""
    factors = np.indices((4, 3, 5)).reshape(3, -1).T
    images = np.zeros((60, 4, 4, 1), np.uint8)
    images[:, 0, :3, 0] = 10 * factors
    return FactorDataset('grid', images, ('a', 'b', 'c'), (4, 3, 5))


def _encode(images):
    return images[:, 0, :3, 0] / 10


def _decode(codes):
    return np.zeros((len(codes), 4, 4, 1)) + 0.5


def test_evaluates_a_perfect_code():
    scores = evaluate.evaluate(_encode, _decode, _dataset(), ('mig',),
                               batch_size=16, progress=False)
    assert scores['mig'] > 0.99
    p, images = special.expit(0.5), _dataset().images / 255
    want = -np.sum(images * np.log(p) + (1 - images) * np.log(1 - p)) / 60
    np.testing.assert_allclose(scores['reconstruction'], want, rtol=1e-12)


def test_extreme_logits_are_finite():
    scores = evaluate.evaluate(
        _encode, lambda codes: 1e4 * (_decode(codes) - 0.4), _dataset(), (),
        progress=False)
    assert np.isfinite(scores['reconstruction'])


def test_deterministic_in_the_seed():
    def run(seed):
        return evaluate.evaluate(
            lambda images: _encode(images) ** 2, _decode, _dataset(),
            ('mig',), seed=seed, progress=False)

    assert run(1) == run(1) and run(1)['mig'] != run(2)['mig']


def test_encodes_full_batches_and_each_image_once():
    sizes = []

    def encode(images):
        sizes.append(len(images))
        return _encode(images)

    evaluate.evaluate(encode, _decode, _dataset(), ('mig',), batch_size=32,
                      progress=False)
    assert sizes == [32, 32]


def test_data_without_factors():
    data = FactorDataset('faces', _dataset().images)
    scores = evaluate.evaluate(_encode, _decode, data, ('mig',),
                               progress=False)
    assert 'mig' not in scores and 'no factors' in scores['note']


def test_unknown_score():
    with pytest.raises(evaluate.ScoreError, match='mig.*mgi'):
        evaluate.check_names(('mgi',))


def test_scores_file(tmp_path):
    path = tmp_path / 'scores.json'
    evaluate.write_scores(path, {'mig': 0.25}, {'seed': 1})
    assert json.loads(path.read_text()) == {
        'mig': 0.25, 'settings': {'seed': 1}}
    assert os.listdir(tmp_path) == ['scores.json']


def test_mig_laws():
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 4, (2000, 2))
    perfect = factors + 0.0
    assert metrics.mig(perfect, factors) > 0.99
    # Order, sign and scale of the latents do not matter.
    assert metrics.mig(-3 * perfect[:, ::-1], factors) == pytest.approx(
        metrics.mig(perfect, factors), abs=1e-12)
    assert metrics.mig(np.hstack([perfect, perfect]), factors) == 0
    assert metrics.mig(np.zeros((2000, 3)), factors) == 0


def test_mig_messages():
    factors = np.zeros((5, 1), int)
    with pytest.raises(ValueError, match='factor 0'):
        metrics.mig(np.eye(5)[:, :2], factors)
    with pytest.raises(ValueError, match='latent 1 is NaN'):
        metrics.mig(np.array([[0, np.nan]] * 5), factors)
    with pytest.raises(ValueError, match='two'):
        metrics.mig(np.zeros((5, 1)), np.arange(5)[:, None])
