"""The table of published data sets: one record is all that a set needs."""

import os

import h5py
import numpy as np
import pytest

from tests.helpers import published_cases as cases
from topdis_jax import data
from topdis_jax.data.published import readers, table

NAMES, SIZES = ('a', 'b'), (2, 3)
PAGE = 'https://example.org/fake'


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'tfds'))
    monkeypatch.chdir(tmp_path)


def _images(channels):
    return np.random.default_rng(0).integers(
        0, 256, (6, 8, 8, channels), np.uint8)


def _write(path, images, labels):
    if path.suffix == '.npz':
        np.savez(path, images=images, labels=labels)
    elif path.suffix == '.npy':
        np.save(path, images)
    else:
        with h5py.File(path, 'w') as file:
            file['images'], file['labels'] = images, labels


@pytest.mark.parametrize('file', ['fake.npz', 'fake.npy', 'fake.h5'])
def test_one_record_adds_a_data_set(tmp_path, monkeypatch, file):
    monkeypatch.setitem(table.PUBLISHED, 'fake', table.PublishedDataset(
        'fake', file, PAGE, (8, 8, 3), NAMES, SIZES, labels_key='labels'))
    with pytest.raises(data.DataError, match=f'{file}.*{PAGE}') as error:
        data.load('fake')
    assert 'TFDS' not in str(error.value)
    with pytest.raises(data.DataError, match='TFDS has no builder of fake'):
        data.load('fake', source='tfds')
    images = _images(3)
    labels = np.stack(np.unravel_index(np.arange(6), SIZES), axis=1)
    _write(tmp_path / file, images, labels)
    loaded = data.load('fake')
    np.testing.assert_array_equal(loaded.images, images)
    assert (loaded.factor_names, loaded.factor_sizes) == (NAMES, SIZES)
    if file != 'fake.npy':
        _write(tmp_path / file, images, labels[::-1])
        with pytest.raises(data.DataError, match='not those of a full grid'):
            data.load('fake')


def test_the_color_of_dsprites_is_no_factor(tmp_path, monkeypatch):
    """Columns of labels before the factors are ignored."""
    monkeypatch.setitem(table.PUBLISHED, 'fake', table.PublishedDataset(
        'fake', 'fake.npz', PAGE, (8, 8, 1), NAMES, SIZES,
        labels_key='labels', binary=True))
    factors = np.unravel_index(np.arange(6), SIZES)
    _write(tmp_path / 'fake.npz', _images(1) % 2,
           np.stack([np.full(6, 5), *factors], axis=1))
    np.testing.assert_array_equal(data.load('fake').images,
                                  _images(1) % 2 * np.uint8(255))


def test_hdf5_in_the_shape_of_the_grid(tmp_path, monkeypatch):
    monkeypatch.setitem(table.PUBLISHED, 'fake', table.PublishedDataset(
        'fake', 'fake.h5', PAGE, (8, 8, 1), NAMES, SIZES))
    images = _images(1)
    _write(tmp_path / 'fake.h5', images.reshape(2, 3, 8, 8), [])
    np.testing.assert_array_equal(data.load('fake').images, images)


def test_an_archive_of_gray_jpegs(tmp_path, monkeypatch):
    monkeypatch.setitem(table.PUBLISHED, 'fake', table.PublishedDataset(
        'fake', 'fake.zip', PAGE, (32, 32, 1), num_images=6))
    cases.write_celeba(tmp_path / 'fake.zip')
    images = data.load('fake').images
    assert images.shape == (6, 32, 32, 1)
    np.testing.assert_allclose(images.mean((1, 2, 3)),
                               10 * np.arange(6) + 5, atol=1)


@pytest.mark.parametrize('name', table.PUBLISHED)
def test_records_are_complete(name):
    record = table.PUBLISHED[name]
    assert record.name == name and record.page.startswith('http')
    assert (record.format or os.path.splitext(record.file)[1]
            ) in readers.READERS
    assert len(record.factor_names) == len(record.factor_sizes)
    assert bool(record.factor_sizes) != bool(record.num_images)
    # If TFDS knows it, TFDS has a builder, or tfds_builders has one for a file
    # to download or to ask for.
    assert not record.tfds_name or (
        record.tfds_host or record.url or record.how_to_get)
    assert len(record.tfds_labels) in (0, len(record.factor_names))
