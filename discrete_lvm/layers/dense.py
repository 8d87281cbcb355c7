"""A dense layer that is built, from the random generator of its owner."""

import keras


def build_dense(inputs, units, rng, dtype, use_bias=True):
  """Returns a `keras.layers.Dense` that is built, with Glorot's kernel.

  Args:
    inputs: Python `int`, the size of its inputs.
    units: Python `int`, the size of its outputs.
    rng: `np.random.Generator`, which gives the seed.
    dtype: Keras dtype policy.
    use_bias: Python `bool`.
  """
  seed = int(rng.integers(2**31))
  layer = keras.layers.Dense(
      units,
      use_bias=use_bias,
      kernel_initializer=keras.initializers.GlorotUniform(seed),
      dtype=dtype,
  )
  layer.build((None, inputs))
  return layer
