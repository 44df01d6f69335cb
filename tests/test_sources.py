"""Data sets by name: what is missing is named."""

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
