"""Copies of TFDS: put in order without TensorFlow; told at once if absent."""

import io
import os
import socket
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.errors import DataError
from topdis_jax.data.published import table, tfds_copies, tfds_prepare


def _png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    buffer.seek(0)
    return buffer


def _labels(data):
    return tfds_copies.labels(table.PUBLISHED[data])


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """TFDS's own features, without what would need TensorFlow."""
    VERSION = tfds.core.Version('2.0.0')
    data = None  # the name that this package has for it
    skip = 0

    def _info(self):
        shape = (218, 178, 3) if self.data == 'celeba' else (
            *cases.images_of(self.data).shape[1:], 1)[:3]
        features = {'image': tfds.features.Image(shape=shape)}
        for label, size in zip(_labels(self.data),
                               cases.SIZES.get(self.data, ())):
            features[label] = tfds.features.ClassLabel(num_classes=size)
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager):
        if self.data != 'celeba':
            return {'train': self._generate_examples(0, None)}
        return {'train': self._generate_examples(0, 4),
                'test': self._generate_examples(4, 6)}

    def _generate_examples(self, begin, end):
        if self.data == 'celeba':
            for i in range(begin, end):
                yield i, {'image': io.BytesIO(cases.jpeg(10 * i + 5))}
            return
        images = cases.images_of(self.data)
        factors = np.unravel_index(np.arange(len(images)),
                                   cases.SIZES[self.data])
        for i in range(self.skip, len(images)):
            labels = {label: int(values[i]) for label, values in zip(
                _labels(self.data), factors)}
            yield i, {'image': _png(images[i])} | labels


def _builder(data, base=_Builder, **changes):
    """A builder of TFDS's name, without replacing TFDS's own."""
    # As of a script: TFDS does not look for the files of its package then.
    return type(data, (base,), {
        '__module__': '__main__', 'name': table.PUBLISHED[data].tfds_name,
        'data': data, **changes}, skip_registration=True)


BUILDERS = {data: _builder(data)
            for data in ('dsprites', 'shapes3d', 'celeba')}


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'tfds'))
    monkeypatch.setattr(tfds_copies, '_PER_BLOCK', 50)
    cases.shrink(monkeypatch)


def _build(name, folder, file_format='array_record', builder=None):
    builder = builder or BUILDERS[name]
    builder(data_dir=folder, file_format=file_format).download_and_prepare()


@pytest.mark.parametrize('name', ['dsprites', 'shapes3d'])
@pytest.mark.parametrize('source', ['auto', 'tfds'])
def test_images_are_put_into_the_grids_order(tmp_path, name, source):
    _build(name, tmp_path / 'tfds')
    data = sources.load(name, source=source)
    bright = 255 if name == 'dsprites' else 1
    expected = cases.images_of(name) * np.uint8(bright)
    np.testing.assert_array_equal(
        data.images, expected.reshape(data.images.shape))
    assert 'tensorflow' not in sys.modules


def test_celeba_of_all_splits(tmp_path):
    _build('celeba', tmp_path / 'root')
    data = sources.load('celeba', root=str(tmp_path / 'root'))
    assert data.images.shape == (6, 64, 64, 3)
    found = np.round(data.images.mean((1, 2, 3)))
    np.testing.assert_allclose(np.sort(found), 10 * np.arange(6) + 5, atol=1)
    assert set(found[:2]) & {45, 55}  # splits by name: test, train


def test_another_number_of_images(tmp_path):
    _build('dsprites', tmp_path / 'tfds',
           builder=_builder('dsprites', skip=5))
    with pytest.raises(DataError, match='has 91 images, expected 96'):
        sources.load('dsprites', source='tfds')


def _all_squares(self, begin, end):
    for i, (_, example) in enumerate(
            _Builder._generate_examples(self, begin, end)):
        yield i, example | {'label_shape': 0}


def test_another_grid(tmp_path):
    _build('dsprites', tmp_path / 'tfds',
           builder=_builder('dsprites', _generate_examples=_all_squares))
    with pytest.raises(DataError, match='not every image of the grid once'):
        sources.load('dsprites', source='tfds')


def test_the_newest_version_that_can_be_read(tmp_path):
    for version, kind in (('2.0.0', 'array_record'), ('10.0.0', 'tfrecord'),
                          ('9.1.0', 'array_record'), ('notes', None)):
        folder = tmp_path / 'tfds' / 'dsprites' / version
        folder.mkdir(parents=True)
        if kind:
            (folder / 'dataset_info.json').write_text(
                f'{{"fileFormat": "{kind}"}}')
    assert os.path.basename(tfds_copies.find(
        table.PUBLISHED['dsprites'], None)) == '9.1.0'
    assert tfds_copies.find(table.PUBLISHED['shapes3d'], str(tmp_path)) is None
    assert tfds_copies.find(table.PUBLISHED['mpi3d_toy'], None) is None


def _with_packages(monkeypatch):
    monkeypatch.setattr(tfds_prepare.importlib.util, 'find_spec',
                        lambda name: 1)


@pytest.mark.parametrize('name,message', [
    *((name, 'cannot be reached.*tfds build.*array_record.*data.root')
      for name in BUILDERS),
    ('mpi3d_real', 'huggingface.co cannot be reached.*source=tfds. it is down'),
    ('mpi3d_complex', 'drive.google.com cannot be reached.*beautifulsoup4')])
def test_offline_is_told_at_once(monkeypatch, name, message):
    def connect(*args, **kwargs):
        assert kwargs['timeout'] <= 5
        raise socket.gaierror(-3, 'Temporary failure in name resolution')

    _with_packages(monkeypatch)
    monkeypatch.setattr(socket, 'create_connection', connect)
    begun = time.time()
    with pytest.raises(DataError, match=message):
        sources.load(name, source='tfds')
    assert time.time() - begun < 1


def test_packages_that_lack_are_named(monkeypatch):
    monkeypatch.setattr(tfds_prepare.importlib.util, 'find_spec',
                        lambda name: None if name == 'tensorflow' else 1)
    with pytest.raises(DataError, match='without tensorflow\\. TFDS: pip inst'):
        sources.load('dsprites', source='tfds')


def test_tfds_prepares_what_is_not_there(monkeypatch, tmp_path):
    _with_packages(monkeypatch)
    monkeypatch.setattr(tfds_prepare, '_reachable', lambda host: True)
    monkeypatch.setattr(tfds, 'builder', lambda name, **options: BUILDERS[
        name](**options))
    data = sources.load('dsprites', source='tfds', root=str(tmp_path / 'new'))
    assert len(data) == 96
    assert tfds_copies.find(table.PUBLISHED['dsprites'], str(tmp_path / 'new'))


def test_looking_for_a_copy_does_not_import_tfds(tmp_path):
    code = ('import sys; from topdis_jax.data import sources\n'
            'try: sources.load("dsprites")\nexcept sources.DataError: pass\n'
            'assert "tensorflow_datasets" not in sys.modules')
    subprocess.run([sys.executable, '-c', code], check=True)
