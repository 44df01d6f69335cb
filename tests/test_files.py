"""Files that appear whole or not at all."""

import json

import pytest

from topdis_jax import files


@pytest.mark.parametrize('old', [b'old', None])
def test_a_file_that_fails_leaves_the_old_one(tmp_path, old):
    path = tmp_path / 'p.png'
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(OSError, match='disk full'):
        with files.replacing(path, 'wb') as file:
            file.write(b'half')
            raise OSError('disk full')
    if old is None:
        assert list(tmp_path.iterdir()) == []
    else:
        assert path.read_bytes() == old
        assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / 'a.json'
    files.write_json(path, {'a': 1})
    with files.replacing(path) as file:
        file.write('{}')
        file.flush()
        assert json.loads(path.read_text()) == {'a': 1}
    assert json.loads(path.read_text()) == {}
