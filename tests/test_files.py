"""Files that appear whole or not at all; locks that wait."""

import errno
import fcntl
import json
import threading

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


def test_a_lock_waits_and_says_so(tmp_path, capsys):
    path = tmp_path / 'a'
    with open(path, 'ab') as first, open(path, 'ab') as second:
        files.lock(first, 'making a')
        assert capsys.readouterr().err == ''
        waiting = threading.Thread(target=files.lock,
                                   args=(second, 'making a'))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        fcntl.flock(first, fcntl.LOCK_UN)
        waiting.join(5)
        assert not waiting.is_alive()
    assert capsys.readouterr().err == ('Another process is making a: '
                                       'waiting\n')


def test_a_file_system_without_locks_stops_no_one(tmp_path, capsys,
                                                  monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', flock)
    with open(tmp_path / 'a', 'ab') as file:
        files.lock(file, 'making a')
    assert 'cannot be locked (No locks available)' in capsys.readouterr().err
