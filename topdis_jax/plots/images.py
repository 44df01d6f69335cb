"""Pictures of images: reconstructions and latent traversals."""

from collections.abc import Callable
import os

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from PIL import Image

from topdis_jax import files
from topdis_jax.plots import figures, montage
from topdis_jax.plots.figures import save

_RANGE = 2.0  # traversals go this many standard deviations of the prior
_STEPS = 9


def reconstructions(path: str | os.PathLike, images: np.ndarray,
                    decoded: np.ndarray) -> None:
    """Plots images above their reconstructions.

    Args:
      path: of the PNG.
      images, decoded: [n, h, w, c] in [0, 1].
    """
    figure = Figure(figsize=(max(0.95 * len(images) + 0.9, 4.8), 2.6))
    axes = figure.add_axes((0.09, 0.03, 0.9, 0.82))
    pictures = np.stack([images, decoded])
    montage.show(axes, pictures)
    montage.label_rows(axes, pictures, ['input', 'decoded'])
    figure.suptitle('Inputs and their reconstructions (from the mean code)',
                    fontsize=11)
    save(figure, path)


def traversals(path: str | os.PathLike,
               decode: Callable[[np.ndarray], np.ndarray], codes: np.ndarray,
               kl: np.ndarray) -> None:
    """Plots latent traversals: one latent varies, the others are fixed.

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
        montage.show(axes, pictures[:, start])
        axes.set_title(f'from image {start + 1}', fontsize=10)
        axes.set_xlabel('value (prior standard deviations)', fontsize=9)
        montage.label_columns(axes, pictures[:, start], [
            f'{v:+g}' if v else '0' for v in values])
    montage.label_rows(panels[0], pictures[:, 0],
                       [_label(latent, kl) for latent in order])
    figure.suptitle('Traversals: one latent moves, the others stay; rows '
                    'sorted by KL', fontsize=11, y=1 - 0.08 / height)
    save(figure, path)


def traversal_gif(path: str | os.PathLike,
                  decode: Callable[[np.ndarray], np.ndarray],
                  codes: np.ndarray, kl: np.ndarray, frames: int = 17) -> None:
    """Animates latent traversals: every latent moves there and back.

    Args:
      path: of the GIF.
      decode, codes, kl: see `traversals`.
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
    shown = montage.show(axes, pictures[:, :, 0])
    axes.xaxis.tick_top()
    montage.label_columns(axes, pictures[:, :, 0], [
        _label(latent, kl, '\n') for latent in order])
    montage.label_rows(axes, pictures[:, :, 0],
                       [f'image {i + 1}' for i in range(len(codes))])
    canvas, sequence = FigureCanvasAgg(figure), []
    for frame, value in enumerate(values):
        shown.set_data(montage.tile(pictures[:, :, frame]))
        figure.suptitle(f'One latent at {value:+.1f} (prior standard '
                        'deviations)', fontsize=10)
        sequence.append(figures.rendered(canvas).quantize(
            128, dither=Image.Dither.NONE))
    there_and_back = sequence + sequence[-2:0:-1]
    with files.replacing(path, 'wb') as file:
        there_and_back[0].save(
            file, format='GIF', save_all=True,
            append_images=there_and_back[1:], duration=90, loop=0)


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
