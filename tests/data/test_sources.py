"""Data sets by name: where they are found, what is missing is named."""

import math

import numpy as np
import pytest

from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.published import table, tfds_copies

pytestmark = pytest.mark.usefixtures('no_data')


@pytest.mark.parametrize('name', table.PUBLISHED)
@pytest.mark.parametrize('source', ['auto', 'file'])
def test_missing_files_are_named(name, source, tmp_path):
    published = table.PUBLISHED[name]
    with pytest.raises(sources.DataError) as error:
        sources.load(name, root=str(tmp_path), source=source)
    for part in (published.file, published.page, str(tmp_path),
                 '--config.data.root'):
        assert part in str(error.value)


@pytest.mark.parametrize('name,count', [
    ('dsprites', 737_280), ('shapes3d', 480_000), ('mpi3d_toy', 1_036_800),
    ('mpi3d_complex', 460_800), ('faces3d', 127_050)])
def test_grids_have_the_published_numbers_of_images(name, count):
    published = table.PUBLISHED[name]
    assert math.prod(published.factor_sizes) == count
    assert len(published.factor_names) == len(published.factor_sizes)


def test_what_a_download_alone_does_not_give(tmp_path):
    with pytest.raises(sources.DataError, match='license'):
        sources.load('faces3d', root=str(tmp_path))


def test_unknown_names():
    with pytest.raises(sources.DataError, match="Did you mean dsprites"):
        sources.load('dsprite')
    with pytest.raises(sources.DataError, match='^source .*web'):
        sources.load('sprites', source='web')


def test_unwritable_cache_is_a_data_error(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(sources.DataError, match='^cannot write.*/file/topdis'
                       r'.*XDG_CACHE_HOME.* with 61 MiB free$'):
        sources.load('sprites_small')


def test_three_ways_to_have_a_data_set():
    with pytest.raises(sources.DataError) as error:
        sources.load('dsprites')
    first, *ways = str(error.value).split('\n')
    assert 'dsprites is not on this machine' in first
    # 737280 x 64 x 64 bytes.
    assert '737280 images of 64 x 64 x 1, which take 2.8 GiB' in first
    assert 'are free there' in first
    for way, part in zip(ways, ('dsprites-dataset', 'tfds build dsprites',
                                'sprites_small'), strict=True):
        assert part in way
    with pytest.raises(sources.DataError, match='downloaded from .*toy.npz'):
        sources.load('mpi3d_toy')
    with pytest.raises(sources.DataError, match='in .*downloads/manual'):
        sources.load('faces3d')


def test_auto_goes_from_the_cache_to_the_file_to_tfds(tmp_path, monkeypatch,
                                                      capsys):
    small = cases.shrink(monkeypatch)
    calls = []
    monkeypatch.setattr(tfds_copies, 'find', lambda published, root: (
        calls.append(published.name) or str(tmp_path)))
    monkeypatch.setattr(tfds_copies, 'stream', lambda *args: None)
    with pytest.raises(AttributeError):  # the stream that is None here
        sources.load('mpi3d_toy')
    assert calls == ['mpi3d_toy']
    path = cases.write('mpi3d_toy', tmp_path)
    data = sources.load('mpi3d_toy')  # in the current folder
    assert len(data) == small['mpi3d_toy'].shape[0] and len(calls) == 1
    path.unlink()
    again = sources.load('mpi3d_toy', root='elsewhere')
    np.testing.assert_array_equal(again.images, data.images)
    assert len(calls) == 1
    assert 'elsewhere has no mpi3d_toy.npz' in capsys.readouterr().err
    # The file that it was made from is there again, and is another.
    np.savez(path, images=255 - cases.images_of('mpi3d_toy'))
    other = sources.load('mpi3d_toy')
    np.testing.assert_array_equal(other.images, 255 - data.images)
    with pytest.raises(sources.DataError, match='elsewhere'):
        sources.load('mpi3d_toy', root='elsewhere', source='file')


@pytest.mark.parametrize('name', ['folder', 'folder/mpi3d_toy.npz'])
def test_a_file_that_is_named_comes_before_the_cache(tmp_path, monkeypatch,
                                                     name):
    cases.shrink(monkeypatch)
    cases.write('mpi3d_toy', tmp_path)
    first = sources.load('mpi3d_toy')
    (tmp_path / 'folder').mkdir()
    np.savez(tmp_path / 'folder' / 'mpi3d_toy.npz',
             images=255 - cases.images_of('mpi3d_toy'))
    other = sources.load('mpi3d_toy', root=name)
    np.testing.assert_array_equal(other.images, 255 - first.images)
    # The file in the current folder is not named: what was made last is taken.
    np.testing.assert_array_equal(sources.load('mpi3d_toy').images,
                                  other.images)


def test_a_path_that_is_not_there_is_told_so(tmp_path):
    missing = str(tmp_path / 'missing')
    with pytest.raises(sources.DataError, match=f'{missing} is not there$'):
        sources.load('own', root=missing)
    with pytest.raises(sources.DataError, match='none is given'):
        sources.load('own')
    with pytest.raises(sources.DataError,
                       match=r'needs root=PATH \(in a run: --config.data.root'):
        sources.load('own')
    with pytest.raises(sources.DataError, match=f'{missing} does not exist'):
        sources.load('mpi3d_toy', root=missing)
