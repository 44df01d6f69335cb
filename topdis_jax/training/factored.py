"""Gradients of a network whose dense layers' parts are not multiplied out.

A dense layer y = x W + b has the gradients x^T D and 1^T D, where D [rows, out]
is the gradient of its output. Two such gradients have the inner product

    <x^T D, u^T E> + <1^T D, 1^T E> = sum((x u^T + 1) * (D E^T)),

of matrices [rows, rows] (the trick of Goodfellow, Efficient Per-Example
Gradient Computations, 2015). With few rows that is less work than a matrix of
weights, so that terms of a loss are compared and added up before one gradient
is formed of all of them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import linen as nn
from flax import traverse_util
import jax
from jax import lax
import jax.numpy as jnp

from topdis_jax import collectives
from topdis_jax.collectives import AxisName


class Gradient(NamedTuple):
    """The gradient of a term.

    A layer is named by its path; a call by the path and a number, because a
    layer may be called several times.

    Attributes:
      formed: {path of a parameter: array}, of those that are not in factors;
        mean over the devices.
      inputs: {call: x [rows, in]}, of this device.
      outputs: {call: D [rows, out]}, likewise.
    """
    formed: dict
    inputs: dict
    outputs: dict


class Tape:
    """Reads the inputs of dense layers, within nn.intercept_methods(tape).

    Layers without a bias are not among them. Its probes, {call: zeros
    [rows, out]}, are added to the outputs: the gradient of a probe is that of
    the output.
    """

    def __init__(self, probes: Any = None) -> None:
        self.probes = probes or {}
        self.inputs: dict[Any, Any] = {}
        self.outputs: dict[Any, Any] = {}

    def __call__(self, function: Callable, args: tuple, kwargs: dict,
                 context: Any) -> Any:
        y = function(*args, **kwargs)
        layer = context.module
        if isinstance(layer, nn.Dense) and layer.use_bias and y.ndim == 2:
            path = layer.path
            call = path, sum(path == known for known, _ in self.inputs)
            self.inputs[call], self.outputs[call] = args[0], y
            if call in self.probes:
                y += self.probes[call]
        return y


def make_probes(term: Callable, params: Any,
                axis_name: AxisName = None) -> Any:
    """Probes for the layers that are to be kept in factors.

    Args:
      term: function (params, tape) that applies the network, in the order of
        the terms that `gradient` is asked for, and perhaps more often.
      params: parameters of the network, nested dicts.
      axis_name: name of the mapped axis over which the rows are spread.
    """
    def run(params):
        tape = Tape()
        term(params, tape)
        return tape.inputs, tape.outputs

    inputs, outputs = jax.eval_shape(run, params)
    rows: dict[Any, int] = {}
    for (path, _), x in inputs.items():
        rows[path] = rows.get(path, 0) + len(x) * collectives.count(axis_name)

    def pays(call):
        size_in, size_out = inputs[call].shape[1], outputs[call].shape[1]
        return rows[call[0]] * (size_in + size_out) < size_in * size_out

    return {call: jnp.zeros(y.shape, y.dtype)
            for call, y in outputs.items() if pays(call)}


def gradient(term: Callable, params: Any, probes: Any,
             axis_name: AxisName = None) -> tuple[Any, Any]:
    """The gradient of a term, without what the probes' layers multiply out.

    Args:
      term: function (params, tape) -> (scalar, aux).
      params, axis_name: see `make_probes`, which makes the probes.

    Returns:
      (Gradient, aux).
    """
    layers = {path for path, _ in probes}
    flat = traverse_util.flatten_dict(params)
    factored = {path: x for path, x in flat.items() if path[:-1] in layers}
    formed = {path: x for path, x in flat.items() if path not in factored}

    def run(formed, probes):
        tape = Tape(probes)
        scalar, aux = term(
            traverse_util.unflatten_dict({**formed, **factored}), tape)
        return scalar, ({call: x for call, x in tape.inputs.items()
                         if call in probes}, aux)

    (formed, outputs), (inputs, aux) = jax.grad(
        run, argnums=(0, 1), has_aux=True)(formed, probes)
    # Of the calls that it made. Some may not matter to it, as that of a
    # decoding that is replaced by another: their gradients are constant zeros,
    # whose products XLA's CPU compiler makes NaN where it sees that they are.
    outputs = lax.optimization_barrier(
        {call: outputs[call] for call in inputs})
    return Gradient(collectives.mean(formed, axis_name), inputs, outputs), aux


def dot(a: Any, b: Any, axis_name: AxisName = None) -> jax.Array:
    """The inner product of two gradients of one network."""
    factors = jnp.zeros(())
    for call, x in a.inputs.items():
        for other, u in b.inputs.items():
            if call[0] == other[0]:
                u, outputs = collectives.gather((u, b.outputs[other]),
                                                axis_name)
                factors += jnp.sum((_products(x, u) + 1) * _products(
                    a.outputs[call], outputs))
    # Of the sums over all rows; the gradients are means over the devices.
    factors = (collectives.mean(factors, axis_name)
               / collectives.count(axis_name))
    return factors + sum(
        jnp.vdot(x, b.formed[path], precision=lax.Precision.HIGHEST)
        for path, x in a.formed.items())


def _products(a, b):
    """Inner products [rows, others] of the rows of a and of b."""
    return jnp.matmul(a, b.T, precision=lax.Precision.HIGHEST)


def form(terms: Sequence[tuple[Any, Any]], axis_name: AxisName = None) -> Any:
    """The gradient of a weighted sum, a tree like that of the parameters.

    Args:
      terms: [(weight, Gradient)].
      axis_name: see `make_probes`.
    """
    inputs: dict[Any, Any] = {}
    outputs: dict[Any, Any] = {}
    for weight, term in terms:
        inputs.update(term.inputs)  # alike in all terms that make the call
        for call, y in term.outputs.items():
            outputs[call] = outputs.get(call, 0) + weight * y
    grads = {}
    for path in {path for path, _ in outputs}:
        calls = sorted(call for call in outputs if call[0] == path)
        x, y = (jnp.concatenate([rows[call] for call in calls])
                for rows in (inputs, outputs))
        grads[*path, 'kernel'] = x.T @ y
        grads[*path, 'bias'] = jnp.sum(y, axis=0)
    grads = collectives.mean(grads, axis_name)
    for path in terms[0][1].formed:
        grads[path] = sum(weight * term.formed[path] for weight, term in terms)
    return traverse_util.unflatten_dict(grads)
