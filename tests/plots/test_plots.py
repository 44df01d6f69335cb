"""Pictures: right sizes, every kind of image, nothing half-written."""

from matplotlib.figure import Figure
import numpy as np
from PIL import Image
import pytest

from topdis_jax import plots
from topdis_jax.data.factors import FactorDataset
from topdis_jax.plots import curves, montage


def _decode(shape):
    def decode(codes):
        level = 1 / (1 + np.exp(-codes.sum(axis=1)))
        return np.broadcast_to(level[:, None, None, None],
                               (len(codes), *shape))
    return decode


@pytest.mark.parametrize('shape', [(32, 32, 1), (64, 64, 3)])
@pytest.mark.parametrize('latents', [1, 10])
def test_traversals(tmp_path, shape, latents):
    codes, kl = np.zeros((3, latents)), np.arange(latents, 0, -1) - 1.0
    plots.traversals(tmp_path / 't.png', _decode(shape), codes, kl)
    plots.traversal_gif(tmp_path / 't.gif', _decode(shape), codes, kl,
                        frames=3)
    assert Image.open(tmp_path / 't.png').width > 300
    animation = Image.open(tmp_path / 't.gif')
    assert animation.n_frames == 4  # three there, one back
    assert (tmp_path / 't.gif').stat().st_size < 3 * 2 ** 20
    assert sorted(p.name for p in tmp_path.iterdir()) == ['t.gif', 't.png']


def test_a_traversal_moves_one_latent_over_its_range(tmp_path):
    seen = []

    def decode(codes):
        seen.append(codes)
        return np.zeros((len(codes), 4, 4, 1))

    plots.traversals(tmp_path / 't.png', decode, np.array([[0.3, 0.7]]),
                     np.array([1.0, 2.0]))
    largest, smallest = seen  # rows are sorted by KL
    np.testing.assert_array_equal(largest[:, 0], 0.3)
    np.testing.assert_allclose(largest[:, 1], np.linspace(-2, 2, 9))
    np.testing.assert_array_equal(smallest[:, 1], 0.7)


def test_reconstructions(tmp_path):
    images = np.random.default_rng(0).random((4, 32, 32, 3))
    plots.reconstructions(tmp_path / 'r.png', images, images)
    assert Image.open(tmp_path / 'r.png').height > 100


def test_a_palette_saves_bytes_and_hardly_changes_colors(tmp_path):
    x, y = np.meshgrid(*2 * [np.linspace(0, 1, 200)])
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, (200, 200, 1))
    figure = Figure(figsize=(4, 4))
    figure.figimage(np.clip(np.stack([x, y, 1 - x], axis=2) + noise, 0, 1))
    plots.save(figure, tmp_path / 'all.png')
    plots.save(figure, tmp_path / 'few.png', colors=256)
    paths = [tmp_path / name for name in ('all.png', 'few.png')]
    large, small = (path.stat().st_size for path in paths)
    assert small < large / 2
    exact, few = (np.asarray(Image.open(path).convert('RGB'), int)
                  for path in paths)
    assert np.abs(exact - few).mean() < 6


def test_loss_curves(tmp_path):
    rows = [{'step': s, 'loss': 1.0 / s} | ({'topdis': 0.1} if s > 5 else {})
            for s in range(1, 10)] + [{'step': 9, 'scores': {'mig': 0.1}}]
    plots.loss_curves(tmp_path / 'l.png', rows, delay=5)
    plots.loss_curves(tmp_path / 'none.png', [])
    assert Image.open(tmp_path / 'l.png').width > 300


def test_loss_curves_bear_values_that_are_not_numbers(tmp_path):
    rows = [{'step': s, 'loss': float('nan') if s % 2 else 1.0,
             'kl': float('inf')} for s in range(6)]
    plots.loss_curves(tmp_path / 'l.png', rows)
    assert Image.open(tmp_path / 'l.png').width > 300


def test_joint_histogram(tmp_path):
    data = FactorDataset('d', np.zeros((24, 1, 1, 1), np.uint8),
                         ('a', 'b', 'c'), (2, 3, 4))
    factors = data.sample_factors(1000, np.random.default_rng(0))
    plots.joint_histogram(tmp_path / 'h.png', factors, data,
                          [('a', 'b'), ('c', 'a')])
    assert Image.open(tmp_path / 'h.png').width > 600


def test_montage_keeps_every_pixel():
    pictures = np.random.default_rng(0).random((2, 3, 30, 20, 1))
    whole = montage.tile(pictures)
    assert whole.shape == (2 * 31 - 1, 3 * 21 - 1, 3)
    np.testing.assert_array_equal(
        whole[31:, 42:], np.repeat(pictures[1, 2], 3, axis=2))
    assert np.all(whole[30] == whole[30, 0])  # the line between the rows


def test_labels_stand_in_the_middle_of_their_cells():
    # Twice as high as wide: the gap, of 4 pixels, is that of the height.
    pictures = np.zeros((2, 3, 96, 48, 1))
    axes = Figure().add_subplot()
    montage.show(axes, pictures)
    montage.label_rows(axes, pictures, 'ab')
    montage.label_columns(axes, pictures, 'abc')
    np.testing.assert_array_equal(axes.get_yticks(), [47.5, 147.5])
    np.testing.assert_array_equal(axes.get_xticks(), [23.5, 75.5, 127.5])


def test_a_running_mean_of_constant_values_is_that_constant():
    means = curves._running_mean(np.full(7, 2.0), 5)
    np.testing.assert_allclose(means, 2.0)
    np.testing.assert_allclose(
        curves._running_mean(np.arange(5.0), 3), [0.5, 1, 2, 3, 3.5])


def test_the_curve_of_topdis_is_smoothed_and_says_so():
    values = np.tile([0.1, 1.5], 50)
    axes = Figure().add_subplot()
    curves._curve(axes, np.arange(100), values, smooth=True)
    raw, smooth = axes.get_lines()
    assert raw.get_alpha() < 0.5
    np.testing.assert_array_equal(raw.get_ydata(), values)
    assert np.ptp(smooth.get_ydata()[10:-10]) < 0.1
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts[1] == 'mean of 21 logged values' and 'latent' in texts[0]


@pytest.mark.parametrize('names', range(1, 7))
def test_no_panel_is_empty(tmp_path, monkeypatch, names):
    figures = []
    monkeypatch.setattr(curves, 'save', lambda figure, path: figures.append(
        figure))
    labels = {'set_point': 'Set point', 'kl_weight': 'Weight of the KL',
              'discriminator': 'Discriminator'}
    known = [*curves._TERMS, *labels][:names]
    # One row alone, and a term of which no value is finite.
    plots.loss_curves(tmp_path / 'l.png', [
        {'step': 5, 'discriminator': float('nan'),
         **dict.fromkeys(known, 1.0)}], labels=labels)
    panels = figures[0].get_axes()
    assert len(panels) == names
    for axes in panels:
        (line,) = axes.get_lines()
        assert line.get_marker() == 'o'  # a single value has no line
    width = max(axes.get_subplotspec().get_gridspec().ncols
                for axes in panels)
    spans = {}
    for axes in panels:
        place = axes.get_subplotspec()
        spans.setdefault(place.rowspan.start, []).extend(place.colspan)
    for columns in spans.values():  # each line of panels is full
        assert columns == list(range(width))
