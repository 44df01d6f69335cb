"""Data sets by name: what is missing is named."""

import math

import pytest

from topdis_jax.data import sources


@pytest.mark.parametrize('name', sources.PUBLISHED)
def test_missing_files_are_named(name, tmp_path):
    published = sources.PUBLISHED[name]
    with pytest.raises(sources.DataError) as error:
        sources.load(name, root=str(tmp_path))
    for part in (published.file, published.page, str(tmp_path),
                 '--config.data.root'):
        assert part in str(error.value)


@pytest.mark.parametrize('name,count', [
    ('dsprites', 737_280), ('shapes3d', 480_000), ('mpi3d_toy', 1_036_800),
    ('mpi3d_complex', 460_800), ('faces3d', 127_050)])
def test_grids_have_the_published_numbers_of_images(name, count):
    published = sources.PUBLISHED[name]
    assert math.prod(published.factor_sizes) == count
    assert len(published.factor_names) == len(published.factor_sizes)


def test_what_a_download_alone_does_not_give(tmp_path):
    with pytest.raises(sources.DataError, match='licence'):
        sources.load('faces3d', root=str(tmp_path))


def test_unknown_names():
    with pytest.raises(sources.DataError, match="did you mean 'dsprites'"):
        sources.load('dsprite')
    with pytest.raises(sources.DataError, match='source.*web'):
        sources.load('sprites', source='web')


def test_unwritable_cache_is_a_data_error(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(sources.DataError, match='XDG_CACHE_HOME'):
        sources.load('sprites_small')
