"""Compiles functions by XLA, and compares them with what they are in eager."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
from typing import Any
from typing import NamedTuple
from unittest import mock

import tensorflow as tf

from discrete_lvm.ops import draws

# Parts of the names of ops that go to the host in the middle of a computation.
_CALLBACKS = ('PyFunc', 'HostCompute', 'SendToHost', 'RecvFromHost', 'Print')
# Ops whose output is as long as its values say. XLA compiles some of them on a
# CPU and pads them; a TPU has to compile anew for each length, or cannot.
_DYNAMIC_OPS = (
    'DynamicPartition',
    'SetSize',
    'Unique',
    'UniqueV2',
    'UniqueWithCounts',
    'Where',
)


class Case(NamedTuple):
  """A function and its arguments.

  Attributes:
    function: From `Tensor`s of static shapes to a structure of `Tensor`s.
    arguments: NumPy arrays, which the compiled function gets as `Tensor`s, so
      that nothing is computed beforehand.
  """

  function: Callable[..., Any]
  arguments: Sequence[Any] = ()


@contextlib.contextmanager
def injected_noise():
  """Replaces every draw by a hash of its seed, shape and index.

  The generators of XLA and of eager differ for the same seed; in this context
  both draw the same, and so do the functions that they trace.
  """
  with contextlib.ExitStack() as stack:
    # Under the second name it is TFP's.
    for module in (tf.random, tf.compat.v2.random):
      for owner, name, draw in (
          (module, 'stateless_uniform', _uniform),
          (module, 'stateless_normal', _normal),
          (module, 'stateless_categorical', _categorical),
          (module.experimental, 'stateless_fold_in', _fold_in),
      ):
        stack.enter_context(mock.patch.object(owner, name, draw))
    # Else our own draws would go past those.
    stack.enter_context(
        mock.patch.object(draws, '_is_cpu_alone', return_value=False)
    )
    yield


def compare(
    test: tf.test.TestCase,
    cases: Mapping[str, Case],
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
  """Compiles cases into one function, and compares each with eager.

  Args:
    test: The test.
    cases: By name, which is the scope of the ops of each, so that a message of
      the compiler tells of which it is.
    rtol: Of floating values; all others are equal.
    atol: Of floating values.
  """

  def run(arguments):
    outputs = {}
    for name, case in cases.items():
      with tf.name_scope(name):
        outputs[name] = tf.nest.map_structure(
            tf.convert_to_tensor, case.function(*arguments[name])
        )
    return outputs

  arguments = {
      name: [tf.constant(value) for value in case.arguments]
      for name, case in cases.items()
  }
  with injected_noise():
    expected = run(arguments)
    compiled = tf.function(run, jit_compile=True, autograph=False)
    concrete = compiled.get_concrete_function(arguments)
    test.assertEmpty(host_callbacks(concrete))
    test.assertEmpty(dynamic_shapes(concrete))
    actual = compiled(arguments)
  faults = {}
  for name in cases:
    flat = zip(
        tf.nest.flatten(actual[name]),
        tf.nest.flatten(expected[name]),
        strict=True,
    )
    for i, (value, other) in enumerate(flat):
      try:
        test.assertEqual(value.dtype, other.dtype)
        test.assertAllClose(value, other, rtol=rtol, atol=atol)
      except AssertionError as error:
        faults[f'{name}, output {i}'] = str(error)
  test.assertEmpty(faults, '\n'.join(f'{k}: {v}' for k, v in faults.items()))


def host_callbacks(concrete: Any) -> list[str]:
  """Lists the names of the ops of a graph that call back to the host.

  Args:
    concrete: A concrete function, with all that it calls.

  Returns:
    The names.
  """
  return [
      node.name
      for node in _nodes(concrete)
      if any(op in node.op for op in _CALLBACKS)
  ]


def dynamic_shapes(concrete: Any) -> list[str]:
  """Lists the names of the ops of a graph whose shape depends on values.

  Args:
    concrete: A concrete function, with all that it calls.

  Returns:
    The names.
  """
  return [node.name for node in _nodes(concrete) if node.op in _DYNAMIC_OPS]


def _nodes(concrete):
  definition = concrete.graph.as_graph_def()
  return [
      *definition.node,
      *(node for f in definition.library.function for node in f.node_def),
  ]


def _bits(shape, seed):
  shape = tf.cast(tf.convert_to_tensor(shape), tf.int32)
  seed = tf.bitcast(tf.cast(seed, tf.int32), tf.uint32)
  index = tf.bitcast(tf.range(tf.reduce_prod(shape)), tf.uint32)
  x = index * 0x9E3779B9 + seed[0] * 0x85EBCA6B + seed[1]
  for multiplier in (0x85EBCA6B, 0xC2B2AE35):
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, 16)) * multiplier
  return tf.reshape(
      tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, 16)), shape
  )


def _fold_in(seed, data, alg=None):
  del alg
  return tf.stack([tf.bitcast(_bits([1], seed)[0], tf.int32), data])


def _uniform(
    shape, seed, minval=0, maxval=None, dtype=tf.float32, name=None, alg=None
):
  del name, alg
  dtype = tf.as_dtype(dtype)
  bits = _bits(shape, seed)
  if dtype.is_integer:
    least, most = dtype.min, dtype.max
    if (minval, maxval) not in ((None, None), (least, most)):
      raise NotImplementedError(f'Integers from {minval} to {maxval}.')
    return tf.bitcast(bits, dtype)
  maxval = 1 if maxval is None else maxval
  unit = tf.cast(tf.bitwise.right_shift(bits, 8), dtype) * 2.0**-24
  return minval + (maxval - minval) * unit


def _normal(
    shape, seed, mean=0.0, stddev=1.0, dtype=tf.float32, name=None, alg=None
):
  del name, alg
  uniform = _uniform(shape, seed, dtype=dtype)
  inside = 2.0**-20 + (1 - 2.0**-19) * uniform
  return mean + stddev * tf.math.ndtri(inside)


def _categorical(
    logits, num_samples, seed, dtype=tf.int64, name=None, alg=None
):
  del name, alg
  shape = tf.concat([[num_samples], tf.shape(logits)], axis=0)
  uniform = 2.0**-20 + (1 - 2.0**-19) * _uniform(shape, seed)
  gumbel = -tf.math.log(-tf.math.log(uniform))
  classes = tf.argmax(logits + tf.cast(gumbel, logits.dtype), -1, dtype)
  return tf.transpose(classes)
