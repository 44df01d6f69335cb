"""Pictures: which, in which order, cropped where, faults told by name."""

import io
import zipfile

import numpy as np
from PIL import Image
import pytest

from tests.helpers import published_cases as cases
from topdis_jax.data import sources
from topdis_jax.data.errors import DataError
from topdis_jax.data.published import image_files, table


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(image_files, '_PER_BLOCK', 4)
    cases.shrink(monkeypatch)


def _load_celeba(path):
    return sources.load('celeba', root=str(path), source='file')


@pytest.mark.parametrize('where', ['archive', 'its folder', 'folder'])
def test_celeba(tmp_path, where):
    path = tmp_path / 'img_align_celeba.zip'
    cases.write_celeba(path)
    if where == 'folder':
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
        path.unlink()
        (tmp_path / 'img_align_celeba' / 'notes.txt').write_text('no picture')
        path = tmp_path / 'img_align_celeba'
    data = _load_celeba(tmp_path if where == 'its folder' else path)
    assert data.images.shape == (6, 64, 64, 3) and data.factor_sizes == ()
    np.testing.assert_allclose(data.images.mean((1, 2, 3)),
                               10 * np.arange(6) + 5, atol=1)


def test_celebas_crop_is_148_pixels_in_the_middle():
    pixels = np.zeros((218, 178, 3), np.uint8)
    pixels[35:183, 15:163] = 255
    celeba = table.PUBLISHED['celeba']
    image = image_files.crop_published(celeba, Image.fromarray(pixels))
    assert image.min() == 255
    pixels[35:183, 15:89] = 0
    image = image_files.crop_published(celeba, Image.fromarray(pixels))
    left, right = np.split(image, 2, 1)
    assert left[:, :-2].max() < 5 and right[:, 2:].min() > 250


def test_wrong_number_of_pictures(tmp_path):
    path = tmp_path / 'img_align_celeba.zip'
    cases.write_celeba(path, count=5)
    with pytest.raises(DataError, match='5 images .* expected 6.*name=own'):
        _load_celeba(path)


@pytest.mark.parametrize('content,match', [
    (b'<html>not found</html>', '000009.jpg is not a picture'),
    (b'', '000009.jpg is not a picture'),
    (cases.jpeg(9)[:-300], '000009.jpg is not a picture.*truncated'),
    (cases.jpeg(9, (64, 64)), '000009.jpg.*178 x 218.*received 64 x 64')],
    ids=['page', 'empty', 'cut', 'small'])
def test_no_picture_among_the_jpegs(tmp_path, content, match):
    path = tmp_path / 'img_align_celeba.zip'
    cases.write_celeba(path, count=5, **{'000009': content})
    with pytest.raises(DataError, match=match):
        _load_celeba(path)
    assert not list((tmp_path / 'cache').rglob('*.*'))


def test_a_damaged_archive(tmp_path):
    path = tmp_path / 'img_align_celeba.zip'
    cases.write_celeba(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match='get it again'):
        _load_celeba(path)


def _zip_of_a_picture(path, compression):
    content = io.BytesIO()
    Image.effect_noise((32, 32), 50).save(content, 'bmp')
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr('a.bmp', content.getvalue())
    return bytearray(path.read_bytes())


def test_an_encrypted_archive(tmp_path):
    path = tmp_path / 'a.zip'
    content = _zip_of_a_picture(path, zipfile.ZIP_STORED)
    for mark, place in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match='a.bmp is not a .*encrypted'):
        sources.load('own', root=str(path))


def test_an_archive_with_damaged_content(tmp_path):
    path = tmp_path / 'a.zip'
    content = _zip_of_a_picture(path, zipfile.ZIP_DEFLATED)
    content[40:60] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(DataError, match='a.bmp is not a picture'):
        sources.load('own', root=str(path))


@pytest.mark.parametrize('mode,size,shape', [
    ('RGB', (100, 80), (64, 64, 3)), ('L', (64, 64), (64, 64, 1)),
    ('L', (32, 32), (32, 32, 1)), ('RGBA', (32, 50), (32, 32, 3)),
    ('P', (70, 70), (64, 64, 3))])
def test_own_folder(tmp_path, mode, size, shape):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
    folder = tmp_path / 'pictures'
    folder.mkdir()
    image = Image.fromarray(pixels).convert(mode)
    image.save(folder / 'b.png')
    image.convert('L' if mode == 'L' else 'RGB').save(
        folder / 'a.JPG', 'jpeg')
    (folder / '.c.png').write_bytes(b'hidden')
    data = sources.load('own', root=str(folder))
    assert data.images.shape == (2, *shape) and data.factor_sizes == ()
    if size == shape[:2]:  # pixels stay as they are
        np.testing.assert_array_equal(
            data.images[1], np.asarray(image).reshape(shape))


def test_gray_of_16_bits(tmp_path):
    values = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(values).save(tmp_path / 'a.png')
    images = sources.load('own', root=str(tmp_path)).images
    np.testing.assert_array_equal(images[0, ..., 0], values >> 8)


def test_own_folder_with_faults(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    with pytest.raises(DataError, match='no pictures'):
        sources.load('own', root=str(folder))
    (folder / 'a.png').write_bytes(b'text')
    with pytest.raises(DataError, match='a.png is not a picture.*: it is '
                       'damaged or of an unknown format$'):
        sources.load('own', root=str(folder))


@pytest.mark.parametrize('name,match', [
    ('a.png', 'a single picture: give the folder'),
    ('notes.md', r'can be read here: an .npz with images, a .npy'),
    ('a.zip', 'get it again')])
def test_own_file_that_is_no_archive(tmp_path, name, match):
    (tmp_path / name).write_bytes(b'text')
    with pytest.raises(DataError, match=match):
        sources.load('own', root=str(tmp_path / name))


def test_own_npy(tmp_path):
    images = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8)
    np.save(tmp_path / 'a.npy', images)
    data = sources.load('own', root=str(tmp_path / 'a.npy'))
    np.testing.assert_array_equal(data.images[..., 0], images)
    assert data.factor_sizes == ()
    np.save(tmp_path / 'a.npy', images / 255)
    with pytest.raises(DataError, match='uint8.*float64'):
        sources.load('own', root=str(tmp_path / 'a.npy'))
