"""Which arithmetic a model trains in."""

from pathlib import Path

import keras

NATIVE_BFLOAT16 = ("amx_bf16", "avx512_bf16")


def dtype_policy(precision) -> str:
    """The Keras policy of a `--precision`.

    Measured on a training step of ALBERT-base, 16 x 128 tokens: bfloat16 is 1.7 times as fast as
    float32 on a processor with AMX and 1.5 times with AVX-512 BF16; where the processor has
    neither it is emulated and slower. XLA, and so JAX, uses neither of them on processors.

    Args:
        precision: `float32`, `bfloat16`, or `auto` for bfloat16 where it is native.

    Returns:
        `float32` or `mixed_bfloat16`: float32 weights, products in bfloat16.
    """
    if precision == "bfloat16" or (precision == "auto" and has_native_bfloat16()):
        return "mixed_bfloat16"
    return "float32"


def has_native_bfloat16() -> bool:
    """Whether the first accelerator, or else this processor, multiplies bfloat16 numbers itself."""
    if keras.config.backend() == "jax":
        import jax

        device = jax.devices()[0]
        capability = float(getattr(device, "compute_capability", 0) or 0)
        return device.platform == "tpu" or capability >= 8.0
    import tensorflow as tf

    accelerators = tf.config.list_physical_devices("GPU")
    if accelerators:
        details = tf.config.experimental.get_device_details(accelerators[0])
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and any(name in cpuinfo.read_text() for name in NATIVE_BFLOAT16)
