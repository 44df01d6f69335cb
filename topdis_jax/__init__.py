"""TopDis in JAX: disentangled latents by a differentiable topological loss.

Import what you need from the parts; the top level imports nothing:

    from topdis_jax import losses      # the loss; needs jax, numpy and numba
    from topdis_jax import metrics     # scores of representations
"""

__version__ = '0.2.0'
