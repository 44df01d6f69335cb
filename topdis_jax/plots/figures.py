"""Figures of Matplotlib, made without the state of pyplot, and their files."""

import os

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from PIL import Image

from topdis_jax import files

DPI = 110  # of all pictures but the animation


def save(figure: Figure, path: str | os.PathLike,
         colors: int | None = None) -> None:
    """Writes a figure as a PNG, whole or not at all.

    Args:
      figure: of matplotlib.
      path: of the PNG.
      colors: of its palette, at most 256: a fifth of the bytes of a figure of
        photographs; None: exact colors.
    """
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    with files.replacing(path, 'wb') as file:
        if colors is None:
            canvas.print_png(file)
        else:
            rendered(canvas).quantize(colors).save(file, 'PNG', optimize=True)


def rendered(canvas: FigureCanvasAgg) -> Image.Image:
    """Renders a canvas as an RGB image of Pillow."""
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
