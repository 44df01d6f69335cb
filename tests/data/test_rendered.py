"""Rendered sprites: whole inside, where their factors say, whole or absent."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from topdis_jax.data import rendered
from topdis_jax.data.rendered import sprites


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield rendered.load('sprites_small')


def test_sizes(small):
    assert small.images.shape == (46_080, 32, 32, 1)
    assert small.factor_sizes == (3, 6, 10, 16, 16)
    assert sprites.GRIDS['sprites'].factor_sizes == (3, 6, 40, 32, 32)


def test_upright_sprites_are_the_small_ones_that_do_not_turn(
        small, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    upright = rendered.load('sprites_upright')
    assert upright.factor_names == ('shape', 'scale', 'x', 'y')
    assert upright.factor_sizes == (3, 6, 16, 16)
    still = small.images.reshape(18, 10, 256, 32, 32, 1)[:, 0]
    np.testing.assert_array_equal(
        upright.images.reshape(18, 256, 32, 32, 1), still)


@pytest.mark.parametrize('name', sprites.GRIDS)
def test_sprites_lie_inside_their_box_and_grow(name):
    grid = sprites.GRIDS[name]
    for shape in range(3):
        mass = []
        for scale in range(6):
            drawn = [sprites.sprite(grid, shape, scale, turn)
                     for turn in range(0, grid.orientations, 3)]
            edge = [np.concatenate([d[0], d[-1], d[:, 0], d[:, -1]])
                    for d in drawn]
            assert np.max(edge) == 0 and np.max(drawn) == 255
            sizes = [d.sum() / 255 for d in drawn]
            # Turning does not change the area, but for the grid of points.
            np.testing.assert_allclose(sizes, sizes[0], rtol=0.04)
            mass.append(sizes[0])
        assert np.all(np.diff(mass) > 0)


def test_areas_equal_the_closed_forms():
    grid = sprites.GRIDS['sprites']
    radius = (64 - 32 + 1) / 2 - 1
    square, ellipse = (sprites.sprite(grid, s, 5, 0).sum() / 255
                       for s in (0, 1))
    np.testing.assert_allclose(square, 2 * radius ** 2, rtol=0.02)
    np.testing.assert_allclose(ellipse, np.pi / 2 * radius ** 2, rtol=0.02)


def test_places_move_the_sprite_by_pixels(small):
    factors = np.array([[2, 3, 4, x, y] for x in (0, 15) for y in (0, 15)])
    images = small.images[small.index_of(factors)][..., 0].astype(float)
    centers = [[np.sum(image * i) / image.sum() for i in np.indices((32, 32))]
               for image in images]
    moved = np.array(centers) - centers[0]
    np.testing.assert_allclose(moved, [[0, 0], [15, 0], [0, 15], [15, 15]],
                               atol=1e-6)
    np.testing.assert_array_equal(images.sum((1, 2)), images[0].sum())


def test_images_differ_but_for_symmetries(small):
    middle = [[s, c, o, 8, 8] for s in range(3) for c in range(6)
              for o in range(10)]
    images = small.images[small.index_of(np.array(middle))]
    distinct = {image.tobytes() for image in images}
    # An ellipse has five orientations (half a turn is five of ten), a square
    # five (a quarter turn is two and a half: 5 of 10 again), a heart ten.
    assert len(distinct) == 6 * (5 + 5 + 10)


def test_the_cache_is_used_again(small, monkeypatch):
    folder = os.path.dirname(os.path.dirname(small.images.filename))
    monkeypatch.setenv('XDG_CACHE_HOME', folder)
    monkeypatch.setattr(sprites, 'render', None)
    again = rendered.load('sprites_small')
    np.testing.assert_array_equal(again.images[::999], small.images[::999])
    assert os.listdir(os.path.join(folder, 'topdis_jax')) == [
        'sprites_small-v1.npy']


def test_killed_rendering_leaves_nothing_half_made(tmp_path):
    code = 'from topdis_jax.data import rendered; rendered.load("sprites")'
    process = subprocess.Popen(
        [sys.executable, '-c', code], stderr=subprocess.DEVNULL,
        env=os.environ | {'XDG_CACHE_HOME': str(tmp_path)})
    folder = tmp_path / 'topdis_jax'
    deadline = time.time() + 60
    while time.time() < deadline and not list(folder.glob('*.tmp')):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(folder.glob('*.npy')) and list(folder.glob('*.tmp'))


def test_two_processes_at_once(tmp_path, small):
    code = ('from topdis_jax.data import rendered; '
            'rendered.load("sprites_small")')
    environment = os.environ | {'XDG_CACHE_HOME': str(tmp_path)}
    processes = [subprocess.Popen([sys.executable, '-c', code],
                                  stderr=subprocess.DEVNULL, env=environment)
                 for _ in range(3)]
    assert [p.wait() for p in processes] == [0, 0, 0]
    path = tmp_path / 'topdis_jax' / 'sprites_small-v1.npy'
    assert os.listdir(path.parent) == [path.name]
    np.testing.assert_array_equal(np.load(path, mmap_mode='r'), small.images)


@pytest.mark.parametrize('content', [b'', b'text', 'cut', 'other'])
def test_a_damaged_file_is_rendered_again(tmp_path, monkeypatch, content,
                                          small):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    path = tmp_path / 'topdis_jax' / 'sprites_small-v1.npy'
    path.parent.mkdir()
    if content == 'cut':
        with open(small.images.filename, 'rb') as whole:
            path.write_bytes(whole.read(5000))
    elif content == 'other':
        np.save(path, np.zeros((3, 32, 32, 1), np.uint8))
    else:
        path.write_bytes(content)
    images = rendered.load('sprites_small').images
    np.testing.assert_array_equal(images[::999], small.images[::999])


def test_exception_while_rendering_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(sprites, 'at_all_places', interrupt)
    with pytest.raises(KeyboardInterrupt):
        rendered.load('sprites_small')
    assert os.listdir(tmp_path / 'topdis_jax') == []


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(OSError, match='XDG_CACHE_HOME'):
        rendered.load('sprites_small')
