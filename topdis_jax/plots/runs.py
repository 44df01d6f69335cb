"""All pictures of a run, and the factors of its training images."""

from collections.abc import Mapping, Sequence
import os
from typing import Any

import jax
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
import numpy as np

from topdis_jax import losses
from topdis_jax.data.factors import FactorDataset
from topdis_jax.plots.curves import loss_curves
from topdis_jax.plots.figures import save
from topdis_jax.plots.images import reconstructions, traversal_gif, traversals

_SEEDS = 3  # images from which traversals start


def plot_run(folder: str, model: Any, dataset: FactorDataset,
             rows: Sequence[Mapping[str, Any]], *, seed: int = 0,
             delay: int = 0, labels: Mapping[str, str] | None = None) -> None:
    """Plots all pictures of a run into its folder.

    Args:
      folder: the work folder.
      model: training.inference.Inference.
      dataset: that it was trained on.
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


def joint_histogram(path: str | os.PathLike, factors: np.ndarray,
                    dataset: FactorDataset,
                    pairs: Sequence[Sequence[str]]) -> None:
    """Plots joint histograms of pairs of factors, a panel per pair.

    Args:
      path: of the PNG.
      factors: [n, k] values of images.
      dataset: whose factors they are.
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
