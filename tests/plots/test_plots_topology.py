"""Plots of barcodes and divergences: what is in them, by their artists."""

from matplotlib.collections import LineCollection
import numpy as np
from PIL import Image
import pytest

from topdis_jax import plots, topology

SQUARE = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1.], [1, 2, 1, 0]])
PLOTS = [plots.barcode, plots.persistence_diagram]


def lines_of(axes):
    """[(birth, end), ...] of the bars of each kind."""
    return [[(line[0][0], line[1][0]) for line in found.get_segments()]
            for found in axes.collections if isinstance(found, LineCollection)]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_the_barcode_of_a_square():
    figure = plots.barcode(topology.rips_barcode(SQUARE))
    axes, = figure.axes
    h0, h1 = lines_of(axes)
    end = axes.get_xlim()[1]
    # Four points: three bars until they merge, one that never ends.
    assert sorted(h0) == [(0, 1)] * 3 + [(0, end)] and h1 == [(1, 2)]
    assert legend_of(figure) == ['H0: 4, 1 never ends', 'H1: 1']
    arrow, = axes.lines
    assert arrow.get_marker() == '>' and arrow.get_xdata() == [end]
    assert axes.get_xlabel() == 'distance' and axes.get_ylabel() == 'bars'
    assert end > 2


def test_the_diagram_of_a_square():
    figure = plots.persistence_diagram(topology.rips_barcode(SQUARE))
    axes, = figure.axes
    h0, h1 = (found.get_offsets() for found in axes.collections)
    np.testing.assert_array_equal(h1, [[1, 2]])
    dashed = axes.lines[1]
    at_infinity = dashed.get_ydata()[0]
    assert dashed.get_linestyle() == '--' and at_infinity > 2
    np.testing.assert_array_equal(
        sorted(h0[:, 1].tolist()), [1, 1, 1, at_infinity])
    assert texts_of(axes) == ['never ends']
    assert legend_of(figure) == ['H0: 4, 1 never ends', 'H1: 1']
    assert 'birth' in axes.get_xlabel() and 'death' in axes.get_ylabel()


@pytest.mark.parametrize('plot', PLOTS)
def test_diagrams_of_other_programs(plot):
    dgms = [np.array([[0, 1.0], [0, np.inf], [0, np.inf]]), np.zeros((0, 2))]
    assert legend_of(plot(dgms)) == ['H0: 3, 2 never end', 'H1: 0']
    named = plot({'mine': topology.rips_barcode(SQUARE)[1], 'theirs': dgms[0]})
    assert legend_of(named) == ['mine: 1', 'theirs: 3, 2 never end']
    assert legend_of(plot(dgms[0])) == ['bars: 3, 2 never end']


@pytest.mark.parametrize('plot', PLOTS)
@pytest.mark.parametrize('bars', [
    np.zeros((0, 2)), [], {}, np.array([[1.0, 1.0]]),
    topology.Barcode(np.zeros(3), np.zeros(3), np.array(0))])
def test_no_bars(plot, bars, tmp_path):
    figure = plot(bars, title='Mine')
    assert texts_of(figure.axes[0]) == ['no bars'] and not figure.legends
    assert figure.axes[0].get_title() == 'Mine'
    plots.save(figure, tmp_path / 'none.png')
    assert Image.open(tmp_path / 'none.png').width > 300


def test_bars_that_are_not_shown_are_said():
    births = np.linspace(0, 1, 500)
    lengths = np.random.default_rng(0).permutation(500) / 500 + 0.01
    figure = plots.barcode(np.stack([births, births + lengths], axis=1))
    (shown,) = lines_of(figure.axes[0])
    ends = np.array(shown)
    assert len(shown) == 200
    assert np.min(ends[:, 1] - ends[:, 0]) >= np.sort(lengths)[300] - 1e-9
    assert legend_of(figure) == ['bars: 200 longest of 500']
    few = topology.relative_barcode(np.minimum(SQUARE, SQUARE.T), SQUARE + 1
                                    - np.eye(4), num_bars=2)
    assert legend_of(plots.barcode(few)) == [
        f'bars: 2 longest of {int(few.count)}']


@pytest.mark.parametrize('bars,message', [
    (np.zeros((2, 3)), r'bars must be a Barcode or an array \[k, 2\]'),
    ([np.array([[1.0, 0.5]])], 'H0: .* deaths not below'),
    (np.array([[0, np.nan]]), 'neither NaN'),
    (np.array([[np.inf, np.inf]]), 'births must be finite'),
    (topology.Barcode(np.full(2, np.nan), np.full(2, np.nan), np.array(-1)),
     'the barcode is not valid'),
    (topology.Barcode(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2)),
     'one barcode, received births of shape'),
])
@pytest.mark.parametrize('plot', PLOTS)
def test_messages(plot, bars, message):
    with pytest.raises(ValueError, match=message):
        plot(bars)


def clouds():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2)).astype(np.float32)
    return [topology.scale_by_quantile(topology.pairwise_distances(cloud))
            for cloud in (x, x + 0.3 * rng.normal(size=x.shape).astype('f'))]


def test_cross_barcodes_add_up_to_rtd(tmp_path):
    x, y = clouds()
    figure = plots.cross_barcode(x, y, names=('inputs', 'codes'))
    sums = [sum(end - birth for birth, end in lines_of(axes)[0])
            for axes in figure.axes]
    expected = topology.rtd(x, y, forms='min', num_bars=None)
    np.testing.assert_allclose(np.mean(sums), expected, rtol=1e-5)
    assert figure.get_suptitle() == f'Cross-barcodes: RTD {expected:.4g}'
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0].startswith('inputs to codes: ')
    assert titles[1].endswith(f'sum of lengths {sums[1]:.4g}')
    # Both axes reach as far as the longest bar.
    longest = max(end for axes in figure.axes
                  for _, end in lines_of(axes)[0])
    for axes in figure.axes:
        assert axes.get_xlim()[1] > longest
    plots.save(figure, tmp_path / 'cross.png')
    assert (tmp_path / 'cross.png').stat().st_size > 5000


def test_cross_barcodes_of_a_cloud_and_itself():
    figure = plots.cross_barcode(*2 * clouds()[:1])
    assert [texts_of(axes) for axes in figure.axes] == [['no bars']] * 2


def test_a_matrix_shows_each_number(tmp_path):
    values = np.array([[0, 1.25], [1.25, 0]])
    figure = plots.divergence_matrix(values, ['a', 'b'], label='rtd',
                                     stds=np.full((2, 2), 0.5))
    axes, bar = figure.axes
    assert texts_of(axes) == ['0', '1.25\n± 0.5', '1.25\n± 0.5', '0']
    # Dark text on light cells, light on dark ones.
    assert [text.get_color() for text in axes.texts] == [
        'white', 'black', 'black', 'white']
    assert [t.get_text() for t in axes.get_xticklabels()] == ['a', 'b']
    assert bar.get_ylabel() == 'rtd'
    plots.save(figure, tmp_path / 'matrix.png')
    assert Image.open(tmp_path / 'matrix.png').width > 200


def test_a_matrix_of_nothing_and_of_wrong_shape():
    assert texts_of(plots.divergence_matrix(np.zeros((0, 0)), []).axes[0]) == [
        'no clouds']
    with pytest.raises(ValueError, match=r'received \(2, 2\), None and 3'):
        plots.divergence_matrix(np.zeros((2, 2)), ['a', 'b', 'c'])
    with pytest.raises(ValueError, match=r'received \(1, 1\), \(2,\)'):
        plots.divergence_matrix([[0]], ['a'], stds=[0, 1])
