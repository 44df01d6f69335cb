"""What the loss asks of an accelerator: operations of the lowered program.

    python -m experiments.benchmarks.operations [--batch=64]

Lowers the TopDis loss with its gradient for TPU and CUDA, on any machine, and
counts what accelerators are slow at: gathers, scatters, sorts, custom calls and
loops. Barcodes are those of engine 'xla'. An operation within a loop is counted
once, as 'in loops': the program does not say how often a loop turns.
"""

from collections import Counter

from absl import app, flags
import jax
import jax.numpy as jnp

from topdis_jax import losses
from topdis_jax.losses import divergences

FLAGS = flags.FLAGS
_COUNTED = ('gather', 'scatter', 'sort', 'custom_call', 'while')


def lowered(divergence, platform, n):
    """The module of a loss with its gradient, n codes of 10 latents."""
    def loss(params, codes, key):
        return losses.topdis_loss(
            lambda z: jax.nn.sigmoid(z @ params), codes, key,
            divergence=divergence, engine='xla')[0]

    args = (jax.ShapeDtypeStruct((10, 256), jnp.float32),
            jax.ShapeDtypeStruct((n, 10), jnp.float32), jax.random.key(0))
    return jax.jit(jax.value_and_grad(loss)).trace(*args).lower(
        lowering_platforms=(platform,)).compiler_ir('stablehlo')


def counts(module):
    """Counter of (name, whether in a loop) over the whole program."""
    functions = {op.attributes['sym_name'].value: op for op in module.body}
    found = Counter()
    _count(functions['main'], functions, False, found)
    return found


def _count(op, functions, in_loop, found):
    name = op.operation.name
    if name in ('func.call', 'call'):
        _count(functions[op.attributes['callee'].value], functions, in_loop,
               found)
    short = name.removeprefix('stablehlo.')
    found['all', in_loop] += 1
    if short in _COUNTED:
        found[short, in_loop] += 1
    within = in_loop or short == 'while'
    # What reduces, sorts and scatters by is no operation of its own.
    if short in ('while', 'case', 'if') or name == 'func.func':
        for region in op.operation.regions:
            for block in region:
                for inner in block:
                    _count(inner, functions, within, found)


def main(argv):
    del argv
    print(f'Operations, and those in loops; n = {FLAGS.batch}')
    print(f'{"platform":<10}{"divergence":<12}'
          + ''.join(f'{name:>14}' for name in ('all', *_COUNTED)))
    for platform in ('tpu', 'cuda'):
        for divergence in divergences.BY_NAME:
            found = counts(lowered(divergence, platform, FLAGS.batch))
            print(f'{platform:<10}{divergence:<12}' + ''.join(
                f'{found[name, False]:>8} {found[name, True]:>5}'
                for name in ('all', *_COUNTED)))


if __name__ == '__main__':
    flags.DEFINE_integer('batch', 64, 'Rows of the batch.')
    app.run(main)
