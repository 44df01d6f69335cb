"""Flags with which XLA compiles quickly; tests run too little to repay more."""

import os


def flags(devices=1):
    """A value of XLA_FLAGS, with so many fake devices."""
    return ' '.join([
        f'--xla_force_host_platform_device_count={devices}',
        '--xla_backend_optimization_level=0',
        '--xla_llvm_disable_expensive_passes=true',
        # The emitters take two thirds of the time. A jaxlib that does not
        # know them any more says so and stops: take the line out then.
        '--xla_cpu_use_fusion_emitters=false'])


def environment(devices=1, **changes):
    """Of a program that compiles so."""
    return {**os.environ, 'XLA_FLAGS': flags(devices), **changes}
