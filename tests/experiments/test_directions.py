"""Directions of a trained run and of a GAN; the check of known axes."""

import json

import jax
import numpy as np
from PIL import Image
import pytest

from experiments import blobs, directions, gan, trained
from experiments.checks import directions as check
from tests.helpers import training_cases as cases
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import loop, workfolder

QUICK = dict(num_directions=2, steps=2, restarts=1, batch_size=16, seed=0,
             progress=False)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    config = cases.config(train__steps=3, train__eval_every=0,
                          eval__batch_size=64, topdis__weight=0.0)
    workfolder.prepare(folder, json.loads(config.to_json()))
    loop.train(config, folder, cases.blobs())
    return folder


@pytest.mark.parametrize('factors', [True, False])
def test_a_run(folder, factors, monkeypatch, capsys, tmp_path):
    data = cases.blobs()
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: data)
    generator = directions.of_run(folder)
    if not factors:
        generator = generator._replace(factors=None, names=())
    # After three steps codes hardly change the images.
    directions.run(tmp_path, generator, QUICK | {'share': 0.05}, rotations=3)
    measured = json.loads((tmp_path / 'directions.json').read_text())
    assert {'found', 'principal components', 'random 0',
            'random 2'} <= set(measured)
    printed = capsys.readouterr().out
    assert '| found 2 |' in printed
    assert ('3 random sets' in printed) == factors
    assert Image.open(tmp_path / 'directions.png').width > 400


def test_the_principal_component_of_one_axis_is_that_axis():
    codes = np.random.default_rng(0).normal(size=(50, 3))
    axis = np.array([[0.6, 0.8, 0.0]])
    np.testing.assert_allclose(
        np.abs(directions.principal(codes, axis)), axis, atol=1e-7)


def test_a_gan_is_trained_once(tmp_path, monkeypatch):
    images = (255 * np.random.default_rng(0).random((8, 32, 32, 1))).astype(
        np.uint8)
    monkeypatch.setattr(gan.sources, 'load',
                        lambda name: FactorDataset(name, images))
    codes = gan.sample(jax.random.key(0), 3)
    first = gan.load(tmp_path, steps=2)(codes)
    monkeypatch.setattr(gan, 'train', None)  # not called again
    np.testing.assert_array_equal(first, gan.load(tmp_path)(codes))
    assert first.shape == (3, 32, 32, 1)


def test_axes_are_paired_so_that_the_least_cosine_is_largest():
    table = np.array([[0.9, 0.8], [0.9, 0.1]])
    np.testing.assert_array_equal(check.matched(table), [0.8, 0.9])


def test_factors_of_blobs_move_as_they_are_named():
    def center(image):
        grid = np.arange(image.shape[0])
        return np.array([image.sum(0) @ grid, image.sum(1) @ grid]
                        ) / image.sum()

    rest, right, low, large, bright = np.asarray(blobs.render(
        np.concatenate([np.zeros((1, 4)), np.eye(4)]).astype(np.float32),
        ['x', 'y', 'size', 'background']))[..., 0]
    pixels = len(rest) / 2  # of half an image
    np.testing.assert_allclose(center(right) - center(rest),
                               [blobs.FACTORS['x'] * pixels, 0], atol=0.01)
    np.testing.assert_allclose(center(low) - center(rest),
                               [0, blobs.FACTORS['y'] * pixels], atol=0.01)
    assert large.sum() > 1.5 * rest.sum()
    np.testing.assert_allclose(bright - rest, blobs.FACTORS['background'],
                               atol=1e-6)


def test_known_axes_of_a_seed():
    assert min(check.cosines(('x', 'size'), 1, 0, steps=40)) > 0.95
