"""How large each divergence is when the topological loss begins.

    python -m experiments.checks.first_losses --workdir=DIR [--batches=200]

Of a run without the loss that stopped where it would begin: the mean of the
loss before its weight, by each divergence on the same batches, shifts and
noise, and the weight that makes it as large as RTD's at weight 5.
"""

from absl import flags
import jax
import numpy as np

from experiments import console, trained
from topdis_jax import losses, models, progress
from topdis_jax.data import pipeline
from topdis_jax.losses import divergences
from topdis_jax.training import steps

_WEIGHT = 5.0


def measure(run, batches):
    """{divergence: [batches] losses} of a Trained run."""
    config, params = run.config, run.state.params

    def apply(x, method):
        return run.model.apply({'params': params}, x, method=method)

    def loss(images, key, divergence):
        key_sample, key_shift = jax.random.split(key)
        mean, log_var = apply(images, 'encode')
        codes = losses.sample_gaussian(key_sample, mean, log_var)
        options = steps.topdis_options(config.topdis)
        return losses.topdis_loss(
            lambda z: jax.nn.sigmoid(apply(z, 'decode')), codes, key_shift,
            weights=models.latent_weights(params),
            **{**options, 'divergence': divergence})[0]

    compiled = jax.jit(loss, static_argnames='divergence')
    found = {name: [] for name in divergences.BY_NAME}
    with progress.Bar(total=batches, desc='Batches', leave=False) as bar:
        for i in range(batches):
            images = pipeline.batch(run.dataset, config.seed, i,
                                    config.train.batch_size)
            key = jax.random.fold_in(jax.random.key(config.seed), i)
            for name in found:
                found[name].append(compiled(
                    images / np.float32(255), key, divergence=name))
            bar.update()
    return {name: np.array(values) for name, values in found.items()}


def main():
    workdir = flags.DEFINE_string('workdir', None, 'Folder of the run.',
                                  required=True)
    batches = flags.DEFINE_integer('batches', 200, 'How many.')

    def start():
        found = measure(trained.load(workdir.value), batches.value)
        for name, values in found.items():
            weight = _WEIGHT * found['rtd'].mean() / values.mean()
            error = values.std(ddof=1) / len(values) ** 0.5
            print(f'{name:<10}{values.mean():8.4f} +- {error:.4f}'
                  f'   weight {weight:.2f}')

    console.start(start)


if __name__ == '__main__':
    main()
