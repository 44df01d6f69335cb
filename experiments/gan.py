"""A small GAN of rendered images, trained once and kept in a folder."""

import functools
import os
from typing import NamedTuple

from flax import serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax

from topdis_jax import files, losses, models, progress
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training.inference import to_float
