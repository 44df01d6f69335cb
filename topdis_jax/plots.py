"""Pictures of a run: reconstructions, latent traversals, loss curves."""

import io
import os

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from PIL import Image

_RANGE = 2.0  # traversals go this many standard deviations of the prior
_STEPS = 9
_SEEDS = 3
_TERMS = {
    'loss': 'Loss (nats per image)',
    'reconstruction': 'Reconstruction (nats per image)',
    'kl': 'KL (nats per image)',
    'topdis': 'TopDis: RTD (scaled distance)',
    'total_correlation': 'Total correlation (nats)',
    'kl_weight': 'Weight of the KL',
    'discriminator': 'Discriminator (nats)',
    'grad_norm': 'Norm of the gradient',
}


def draw_run(folder, model, dataset, rows, *, seed=0, delay=0):
    """All pictures of a run into its folder.

    Args:
      folder: the work folder.
      model: training.inference.Inference.
      dataset: FactorDataset.
      rows: the rows of metrics.jsonl.
      seed: of the images that are shown.
      delay: steps before TopDis was turned on.
    """
    rng = np.random.default_rng(seed)
    shown = dataset.images[np.sort(rng.choice(
        len(dataset), min(256, len(dataset)), replace=False))]
    mean, log_var = model.encode(shown)
    kl = np.mean((np.exp(log_var) + mean ** 2 - 1 - log_var) / 2, axis=0)
    order = rng.permutation(len(shown))

    def decode(codes):
        return 1 / (1 + np.exp(-np.clip(model.decode(codes), -60, 60)))

    def path(name):
        return os.path.join(folder, name)

    few = order[:10]
    reconstructions(path('reconstructions.png'), shown[few] / 255,
                    decode(mean[few]))
    traversals(path('traversals.png'), decode, mean[order[:_SEEDS]], kl)
    traversal_gif(path('traversals.gif'), decode, mean[order[:_SEEDS]], kl)
    loss_curves(path('loss_curves.png'), rows, delay=delay)


def reconstructions(path, images, decoded):
    """Inputs above what the model makes of them.

    Args:
      path: of the PNG.
      images, decoded: [n, h, w, c] in [0, 1].
    """
    count = len(images)
    figure = Figure(figsize=(1.0 * count + 0.9, 2.6))
    grid = figure.add_gridspec(2, count, left=0.09, right=0.99, top=0.85,
                               bottom=0.02, wspace=0.06, hspace=0.06)
    for row, (name, pictures) in enumerate((('input', images),
                                            ('decoded', decoded))):
        for column, picture in enumerate(pictures):
            axes = figure.add_subplot(grid[row, column])
            _show(axes, picture)
            if column == 0:
                axes.set_ylabel(name, fontsize=10)
    figure.suptitle('Inputs and their reconstructions (from the mean code)',
                    fontsize=11)
    _save(figure, path)


def traversals(path, decode, codes, kl):
    """Each latent's value from low to high, the others held.

    Args:
      path: of the PNG.
      decode: codes [m, d] -> images [m, h, w, c] in [0, 1].
      codes: [s, d], of the images to start from; a block of columns each.
      kl: [d] mean KL of each latent in nats; rows are sorted by it.
    """
    values = np.linspace(-_RANGE, _RANGE, _STEPS)
    order = np.argsort(-kl)
    figure = Figure(figsize=(0.42 * _STEPS * len(codes) + 1.6,
                             0.46 * len(kl) + 1.0))
    grid = figure.add_gridspec(len(kl), len(codes), left=0.12, right=0.99,
                               top=1 - 0.62 / (0.46 * len(kl) + 1.0),
                               bottom=0.42 / (0.46 * len(kl) + 1.0),
                               wspace=0.03, hspace=0.06)
    for row, latent in enumerate(order):
        for column, code in enumerate(codes):
            strip = np.concatenate(list(decode(_vary(code, latent, values))),
                                   axis=1)
            axes = figure.add_subplot(grid[row, column])
            _show(axes, strip)
            if column == 0:
                axes.set_ylabel(_label(latent, kl), rotation=0, ha='right',
                                va='center', fontsize=9)
            if row == 0:
                axes.set_title(f'from image {column + 1}', fontsize=9)
    # Axes of pictures have no ticks of their own: label the last row.
    width = strip.shape[1] / _STEPS
    for axes in figure.axes[-len(codes):]:
        axes.set_xticks([(0.5 + i) * width - 0.5
                         for i in (0, _STEPS // 2, _STEPS - 1)])
        axes.set_xticklabels([f'{-_RANGE:+g}', '0', f'{_RANGE:+g}'],
                             fontsize=8)
    figure.suptitle('Latent traversals: value of one latent (prior standard '
                    'deviations), rows sorted by KL', fontsize=11, y=0.985)
    _save(figure, path)


def traversal_gif(path, decode, codes, kl, frames=17):
    """The same as an animation: all latents move there and back.

    Args:
      path: of the GIF. Others: see traversals.
      frames: from one end to the other.
    """
    order = np.argsort(-kl)
    values = _RANGE * np.sin(np.linspace(-np.pi / 2, np.pi / 2, frames))
    # [latent, start, frame, h, w, c]
    pictures = np.stack([[decode(_vary(code, latent, values))
                          for code in codes] for latent in order])
    sequence = []
    for frame in range(frames):
        figure = Figure(figsize=(1.15 * len(kl) + 0.9, 1.1 * len(codes) + 0.8),
                        dpi=72)
        grid = figure.add_gridspec(
            len(codes), len(kl), left=0.06, right=0.99, bottom=0.02,
            top=1 - 0.75 / (1.1 * len(codes) + 0.8), wspace=0.05, hspace=0.05)
        for column, latent in enumerate(order):
            for row in range(len(codes)):
                axes = figure.add_subplot(grid[row, column])
                _show(axes, pictures[column, row, frame])
                if row == 0:
                    axes.set_title(_label(latent, kl, '\n'), fontsize=8)
                if column == 0:
                    axes.set_ylabel(f'image {row + 1}', fontsize=8)
        figure.suptitle(f'One latent at {values[frame]:+.1f} prior standard '
                        'deviations', fontsize=9)
        sequence.append(Image.open(io.BytesIO(_png(figure))).convert('P'))
    there_and_back = sequence + sequence[-2:0:-1]
    _write(path, lambda file: there_and_back[0].save(
        file, format='GIF', save_all=True, append_images=there_and_back[1:],
        duration=90, loop=0))


def loss_curves(path, rows, *, delay=0):
    """A panel for each term of the log.

    Args:
      path: of the PNG.
      rows: dicts with 'step' and terms.
      delay: step after which TopDis is on; marked if the log has it.
    """
    names = [name for name in _TERMS if any(name in row for row in rows)]
    columns = max(1, min(3, len(names)))
    lines = max(1, -(-len(names) // columns))
    figure = Figure(figsize=(4.2 * columns, 2.8 * lines), layout='constrained')
    started = any('topdis' in row for row in rows) and delay > 0
    for place, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, place + 1)
        steps, values = zip(*((row['step'], row[name]) for row in rows
                              if name in row))
        axes.plot(steps, values, linewidth=1)
        axes.set_title(_TERMS[name], fontsize=10)
        axes.set_xlabel('step', fontsize=9)
        axes.grid(alpha=0.3)
        if started and name != 'topdis':
            axes.axvline(delay, color='gray', linestyle=':', linewidth=1)
            axes.annotate('TopDis on', (delay, 0.97), fontsize=8, ha='left',
                          xycoords=('data', 'axes fraction'), color='gray',
                          va='top', xytext=(3, 0), textcoords='offset points')
    _save(figure, path)


def _vary(code, latent, values):
    """The code [d] with one latent at each of the values: [m, d]."""
    codes = np.repeat(code[None], len(values), axis=0)
    codes[:, latent] = values
    return codes


def _label(latent, kl, break_='  '):
    return f'z{latent}{break_}KL {kl[latent]:.2f}'


def _show(axes, image):
    """An image [h, w, c] in [0, 1], without ticks."""
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap='gray', vmin=0, vmax=1)
    else:
        axes.imshow(np.clip(image, 0, 1))
    axes.set_xticks([])
    axes.set_yticks([])


def _png(figure):
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _save(figure, path):
    figure.set_dpi(110)
    _write(path, lambda file: file.write(_png(figure)))


def _write(path, write):
    """In one go: a reader sees the old picture or the new one."""
    temporary = f'{path}.{os.getpid()}.tmp'
    with open(temporary, 'wb') as file:
        write(file)
    os.replace(temporary, path)
