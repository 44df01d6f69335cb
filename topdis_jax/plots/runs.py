"""Pictures of a run: reconstructions, latent traversals, loss curves."""

from collections.abc import Callable, Mapping, Sequence
import os
from typing import Any

import jax
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
import numpy as np
from PIL import Image

from topdis_jax import files, losses
from topdis_jax.plots import figures
from topdis_jax.plots.figures import save

_RANGE = 2.0  # traversals go this many standard deviations of the prior
_STEPS = 9
_SEEDS = 3
_TERMS = {
    'loss': 'Loss (nats per image)',
    'reconstruction': 'Reconstruction (nats per image)',
    'kl': 'KL (nats per image)',
    'topdis': 'TopDis: RTD (scaled distance)',
}
_LAST = {'grad_norm': 'Norm of the gradient'}


def plot_run(folder: str, model: Any, dataset: Any,
             rows: Sequence[Mapping[str, Any]], *, seed: int = 0,
             delay: int = 0, labels: Mapping[str, str] | None = None) -> None:
    """All pictures of a run into its folder.

    Args:
      folder: the work folder.
      model: training.inference.Inference.
      dataset: FactorDataset.
      rows: the rows of metrics.jsonl.
      seed: of the images that are shown.
      delay: steps before TopDis was turned on.
      labels: titles of the family's terms, {name: title}.
    """
    rng = np.random.default_rng(seed)
    shown = dataset.images[np.sort(rng.choice(
        len(dataset), min(256, len(dataset)), replace=False))]
    mean, log_var = model.encode(shown)
    kl = np.mean(losses.gaussian_kl(mean, log_var), axis=0)
    order = rng.permutation(len(shown))

    def decode(codes):
        return np.asarray(jax.nn.sigmoid(model.decode(codes)))

    def path(name):
        return os.path.join(folder, name)

    few = order[:10]
    reconstructions(path('reconstructions.png'), shown[few] / 255,
                    decode(mean[few]))
    traversals(path('traversals.png'), decode, mean[order[:_SEEDS]], kl)
    traversal_gif(path('traversals.gif'), decode, mean[order[:_SEEDS]], kl)
    loss_curves(path('loss_curves.png'), rows, delay=delay, labels=labels)


def reconstructions(path: str | os.PathLike, images: np.ndarray,
                    decoded: np.ndarray) -> None:
    """Inputs above what the model makes of them.

    Args:
      path: of the PNG.
      images, decoded: [n, h, w, c] in [0, 1].
    """
    figure = Figure(figsize=(max(0.95 * len(images) + 0.9, 4.8), 2.6))
    axes = figure.add_axes((0.09, 0.03, 0.9, 0.82))
    pictures = np.stack([images, decoded])
    _show_grid(axes, pictures)
    _label_rows(axes, pictures, ['input', 'decoded'])
    figure.suptitle('Inputs and their reconstructions (from the mean code)',
                    fontsize=11)
    save(figure, path)


def traversals(path: str | os.PathLike,
               decode: Callable[[np.ndarray], np.ndarray], codes: np.ndarray,
               kl: np.ndarray) -> None:
    """Each latent's value from low to high, the others held.

    Args:
      path: of the PNG.
      decode: codes [m, d] -> images [m, h, w, c] in [0, 1].
      codes: [s, d], of the images to start from; a panel each.
      kl: [d] mean KL of each latent in nats; rows are sorted by it.
    """
    values = np.linspace(-_RANGE, _RANGE, _STEPS)
    order = np.argsort(-kl)
    # [latent, start, step, h, w, c]
    pictures = _traverse(decode, codes, order, values)
    width = 0.42 * _STEPS * len(codes) + 1.7
    height = 0.42 * len(kl) + 1.3
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(1, len(codes), squeeze=False)[0]
    figure.subplots_adjust(left=1.6 / width, right=1 - 0.1 / width,
                           top=1 - 0.65 / height, bottom=0.6 / height,
                           wspace=0.03)
    for start, axes in enumerate(panels):
        _show_grid(axes, pictures[:, start])
        axes.set_title(f'from image {start + 1}', fontsize=10)
        axes.set_xlabel('value (prior standard deviations)', fontsize=9)
        _label_columns(axes, pictures[:, start],
                       [f'{v:+g}' if v else '0' for v in values])
    _label_rows(panels[0], pictures[:, 0],
                [_label(latent, kl) for latent in order])
    figure.suptitle('Traversals: one latent moves, the others stay; rows '
                    'sorted by KL', fontsize=11, y=1 - 0.08 / height)
    save(figure, path)


def traversal_gif(path: str | os.PathLike,
                  decode: Callable[[np.ndarray], np.ndarray],
                  codes: np.ndarray, kl: np.ndarray, frames: int = 17) -> None:
    """The same as an animation: all latents move there and back.

    Args:
      path: of the GIF. Others: see traversals.
      frames: from one end to the other.
    """
    order = np.argsort(-kl)
    values = _RANGE * np.sin(np.linspace(-np.pi / 2, np.pi / 2, frames))
    # [start, latent, frame, h, w, c]
    pictures = _traverse(decode, codes, order, values).swapaxes(0, 1)
    width = max(0.95 * len(kl) + 0.8, 4.6)
    height = 0.95 * len(codes) + 1.0
    figure = Figure(figsize=(width, height), dpi=80)
    figure.subplots_adjust(left=0.7 / width, right=1 - 0.1 / width,
                           top=1 - 0.9 / height, bottom=0.1 / height)
    axes = figure.add_subplot()
    shown = _show_grid(axes, pictures[:, :, 0])
    axes.xaxis.tick_top()
    _label_columns(axes, pictures[:, :, 0],
                   [_label(latent, kl, '\n') for latent in order])
    _label_rows(axes, pictures[:, :, 0],
                [f'image {i + 1}' for i in range(len(codes))])
    canvas, sequence = FigureCanvasAgg(figure), []
    for frame, value in enumerate(values):
        shown.set_data(_montage(pictures[:, :, frame]))
        figure.suptitle(f'One latent at {value:+.1f} (prior standard '
                        'deviations)', fontsize=10)
        sequence.append(figures.drawn(canvas).quantize(
            128, dither=Image.Dither.NONE))
    there_and_back = sequence + sequence[-2:0:-1]
    with files.replacing(path, 'wb') as file:
        there_and_back[0].save(
            file, format='GIF', save_all=True,
            append_images=there_and_back[1:], duration=90, loop=0)


def loss_curves(path: str | os.PathLike, rows: Sequence[Mapping[str, Any]], *,
                delay: int = 0,
                labels: Mapping[str, str] | None = None) -> None:
    """A panel for each term of the loss that the log has.

    Args:
      path: of the PNG.
      rows: dicts with 'step' and terms.
      delay: step after which TopDis is on; marked if the log has it.
      labels: titles of the terms that a family has of its own.
    """
    titles = _TERMS | dict(labels or {}) | _LAST
    curves = {name: _finite(rows, name) for name in titles}
    curves = {name: curve for name, curve in curves.items() if len(curve[0])}
    columns = max(1, min(3, len(curves)))
    lines = max(1, -(-len(curves) // columns))
    figure = Figure(figsize=(4.2 * columns, 2.8 * lines), layout='constrained')
    started = any('topdis' in row for row in rows) and delay > 0
    for (name, (steps, values)), place in zip(
            curves.items(), _places(figure, len(curves), columns, lines)):
        axes = figure.add_subplot(place)
        axes.set_title(titles[name], fontsize=10)
        _curve(axes, steps, values, smooth=name == 'topdis')
        axes.set_xlabel('step', fontsize=9)
        axes.grid(alpha=0.3)
        if started and name != 'topdis':
            axes.axvline(delay, color='gray', linestyle=':', linewidth=1)
            axes.annotate('TopDis on', (delay, 0.97), fontsize=8, ha='left',
                          xycoords=('data', 'axes fraction'), color='gray',
                          va='top', xytext=(3, 0), textcoords='offset points')
    save(figure, path)


def _finite(rows, name):
    """(steps [n], values [n]) of the rows that have a finite value."""
    found = [(row['step'], row[name]) for row in rows
             if np.isfinite(row.get(name, np.nan))]
    steps, values = zip(*found) if found else ((), ())
    return np.array(steps), np.array(values, float)


def _places(figure, count, columns, lines):
    """Places of panels, which fill each line: a shorter last one is wider."""
    grid = figure.add_gridspec(lines, columns * (columns - 1) or 1)
    for place in range(count):
        line = place // columns
        width = grid.ncols // min(columns, count - line * columns)
        left = (place - line * columns) * width
        yield grid[line, left:left + width]


def _curve(axes, steps, values, smooth):
    """A curve; a single value as a dot."""
    marker = 'o' if len(values) == 1 else None
    # Each step shifts another latent, and each latent has its own RTD.
    window = _window(len(values)) if smooth else 1
    if window == 1:
        axes.plot(steps, values, linewidth=1, marker=marker)
        return
    (raw,) = axes.plot(steps, values, linewidth=0.6, alpha=0.3,
                       label='logged values (one latent shifted in each)')
    axes.plot(steps, _running_mean(values, window), linewidth=1.5,
              color=raw.get_color(), label=f'mean of {window} logged values')
    axes.set_ylim(0, 1.5 * np.quantile(values, 0.98))
    axes.legend(fontsize=7, loc='upper right')


def _window(count):
    """How many values are averaged: a fifth, 51 at most; odd."""
    return min(count // 10, 25) * 2 + 1


def _running_mean(values, window):
    """Mean of the values [n] around each, fewer of them at the ends."""
    ones = np.ones(window)
    return (np.convolve(values, ones, 'same')
            / np.convolve(np.ones(len(values)), ones, 'same'))


def joint_histogram(path: str | os.PathLike, factors: np.ndarray, dataset: Any,
                    pairs: Sequence[Sequence[str]]) -> None:
    """How often the values of two factors came together, a panel per pair.

    Args:
      path: of the PNG.
      factors: [n, k] values of images.
      dataset: FactorDataset.
      pairs: [(name, name), ...] of its factors; the first goes up.
    """
    figure = Figure(figsize=(3.9 * len(pairs), 3.6), layout='constrained')
    for place, names in enumerate(pairs):
        rows, columns = (dataset.factor_names.index(name) for name in names)
        shape = dataset.factor_sizes[rows], dataset.factor_sizes[columns]
        counts = np.zeros(shape)
        np.add.at(counts, (factors[:, rows], factors[:, columns]), 1)
        axes = figure.add_subplot(1, len(pairs), place + 1)
        shown = axes.imshow(100 * counts / max(len(factors), 1),
                            origin='lower', aspect='auto', vmin=0)
        axes.set_ylabel(names[0])
        axes.set_xlabel(names[1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        figure.colorbar(shown, ax=axes, label='images (%)')
    figure.suptitle(f'Factors of {len(factors)} training images', fontsize=11)
    save(figure, path)


def _traverse(decode, codes, order, values):
    """Images [latent, start, value, h, w, c], latents in the given order."""
    return np.stack([[decode(_vary(code, latent, values)) for code in codes]
                     for latent in order])


def _vary(code, latent, values):
    """The code [d] with one latent at each of the values: [m, d]."""
    codes = np.repeat(code[None], len(values), axis=0)
    codes[:, latent] = values
    return codes


def _label(latent, kl, separator='  '):
    return f'z{latent}{separator}KL {kl[latent]:.2f} nats'


def _montage(pictures):
    """Images [rows, columns, h, w, c] in [0, 1] as one, RGB, gray between."""
    rows, columns, height, width, channels = pictures.shape
    gap = _gap(height)
    cells = np.full((rows, height + gap, columns, width + gap, 3), 0.6)
    cells[:, :height, :, :width] = np.clip(pictures, 0, 1).transpose(
        0, 2, 1, 3, 4)
    whole = cells.reshape(rows * (height + gap), columns * (width + gap), 3)
    return whole[:-gap, :-gap]


def _gap(height):
    """Pixels between two images of this height, both ways."""
    return max(height // 24, 1)


def _show_grid(axes, pictures):
    """Shows images [rows, columns, h, w, c]; returns what holds the data."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes.imshow(_montage(pictures))


def _label_rows(axes, pictures, labels):
    """Labels the rows of a montage of images [rows, columns, h, w, c]."""
    height = pictures.shape[2]
    _label_cells(axes.yaxis, height, _gap(height), labels)


def _label_columns(axes, pictures, labels):
    """Labels the columns of a montage of images [rows, columns, h, w, c]."""
    height, width = pictures.shape[2:4]
    _label_cells(axes.xaxis, width, _gap(height), labels)


def _label_cells(axis, pixels, gap, labels):
    axis.set_ticks([i * (pixels + gap) + (pixels - 1) / 2
                    for i in range(len(labels))], labels, fontsize=9)
