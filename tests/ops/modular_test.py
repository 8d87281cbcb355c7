import math
import string

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from discrete_lvm import ops


def _inverse(i, k):
  return pow(i, -1, k) if math.gcd(i, k) == 1 else 0


# Of each op: the number of arguments, and its formula on integers.
_OPS = {
    'add': (2, lambda k, i, j: (i + j) % k),
    'subtract': (2, lambda k, i, j: (i - j) % k),
    'multiply': (2, lambda k, i, j: i * j % k),
    'inverse': (1, lambda k, i: _inverse(i, k)),
    'affine': (3, lambda k, i, j, s: (s * i + j) % k),
    'affine_inverse': (3, lambda k, i, j, s: _inverse(s, k) * (i - j) % k),
}


def _op(name):
  return getattr(ops, f'one_hot_{name}')


def _table(name, num_classes):
  """Enumerates the multilinear form: an axis an argument, then the result."""
  num_args, formula = _OPS[name]
  table = np.zeros([num_classes] * (num_args + 1))
  for codes in np.ndindex(*[num_classes] * num_args):
    table[(*codes, formula(num_classes, *codes))] = 1.0
  return table


def _contract(table, arguments):
  """Evaluates the multilinear form at vectors, one-hot or not."""
  axes = string.ascii_lowercase[: table.ndim]
  inputs = ','.join(f'...{axis}' for axis in axes[:-1])
  return np.einsum(f'{axes},{inputs}->...{axes[-1]}', table, *arguments)


def _random_one_hots(num_classes, shapes, seed=0):
  rng = np.random.default_rng(seed)
  eye = np.eye(num_classes)
  return [eye[rng.integers(num_classes, size=shape)] for shape in shapes]


class ModularTest(tf.test.TestCase, parameterized.TestCase):

  # 257 classes do not fit the integers that bfloat16 holds.
  @parameterized.product(
      name=('add', 'subtract', 'multiply', 'inverse'),
      num_classes=(2, 3, 6, 20, 257),
  )
  def test_values_on_all_of_z_k(self, name, num_classes):
    num_args, formula = _OPS[name]
    eye = tf.one_hot(np.arange(num_classes), num_classes, dtype=tf.bfloat16)
    arguments = [eye[:, tf.newaxis], eye][:num_args]
    result = tf.cast(_op(name)(*arguments), tf.int32).numpy()
    expected = [
        formula(num_classes, *codes)
        for codes in np.ndindex(*[num_classes] * num_args)
    ]
    self.assertAllEqual(
        result.reshape(-1, num_classes),
        np.eye(num_classes, dtype=np.int32)[expected],
    )

  @parameterized.product(
      name=('affine', 'affine_inverse'), num_classes=(2, 3, 6, 20)
  )
  def test_fused_values_on_all_of_z_k(self, name, num_classes):
    eye = np.eye(num_classes, dtype=np.float32)
    x, shift, scale = eye[:, None, None], eye[:, None], eye
    self.assertAllEqual(
        _op(name)(x, shift, scale), _table(name, num_classes).astype(np.float32)
    )

  # The form is linear in each argument: a difference over any step is exact.
  @parameterized.product(name=tuple(_OPS), num_classes=(2, 3, 6, 20))
  def test_gradients_are_those_of_the_multilinear_form(self, name, num_classes):
    num_args, _ = _OPS[name]
    table = _table(name, num_classes)
    arguments = _random_one_hots(num_classes, [[5]] * num_args)
    weights = np.random.default_rng(1).normal(size=[5, num_classes])
    tensors = [tf.constant(x) for x in arguments]
    with tf.GradientTape() as tape:
      tape.watch(tensors)
      value = tf.reduce_sum(weights * _op(name)(*tensors))
    gradients = tape.gradient(value, tensors)
    here = _contract(table, arguments)
    for i, gradient in enumerate(gradients):
      for r in range(num_classes):
        moved = list(arguments)
        moved[i] = moved[i] + 0.5 * np.eye(num_classes)[r]
        slope = (_contract(table, moved) - here) / 0.5
        self.assertAllClose(gradient[:, r], (weights * slope).sum(-1))

  @parameterized.product(name=tuple(_OPS), jit_compile=(False, True))
  def test_broadcasts_with_an_unknown_batch_size(self, name, jit_compile):
    shapes = [[4, 1], [3], [1, 3]][: _OPS[name][0]]
    arguments = _random_one_hots(6, shapes)
    result_shape = np.broadcast_shapes(*shapes)
    weights = np.random.default_rng(1).normal(size=[*result_shape, 6])

    def run(weights, *arguments):
      with tf.GradientTape() as tape:
        tape.watch(arguments)
        result = _op(name)(*arguments)
        value = tf.reduce_sum(weights * result)
      return result, tape.gradient(value, arguments)

    result, gradients = tf.function(
        run,
        jit_compile=jit_compile,
        input_signature=[
            tf.TensorSpec([None] * len(result_shape) + [6], tf.float64),
            *(tf.TensorSpec([None] * len(s) + [6], tf.float64) for s in shapes),
        ],
    )(weights, *arguments)
    table = _table(name, 6)
    self.assertAllEqual(result, _contract(table, arguments))
    # Copied out in NumPy, then summed back over the copies.
    copies = [np.broadcast_to(x, [*result_shape, 6]) for x in arguments]
    _, expected = run(weights, *map(tf.constant, copies))
    for gradient, full, shape in zip(gradients, expected, shapes, strict=True):
      full = full.numpy()
      for _ in range(full.ndim - 1 - len(shape)):
        full = full.sum(0)
      axes = tuple(i for i, size in enumerate(shape) if size == 1)
      self.assertAllClose(gradient, full.sum(axes, keepdims=True))

  @parameterized.product(
      dtype=('float64', 'float32', 'bfloat16', 'float16', 'int32'),
      mode=('eager', 'graph', 'xla'),
  )
  def test_inverts_bit_for_bit(self, dtype, mode):
    rng = np.random.default_rng(0)
    for num_classes in (6, 257):
      invertible = np.flatnonzero(ops.invertible_scales(num_classes))
      codes = rng.integers(num_classes, size=[2, 50])
      x, shift = tf.one_hot(codes, num_classes, dtype=dtype)
      scale = tf.one_hot(rng.choice(invertible, 50), num_classes, dtype=dtype)
      forward, inverse = ops.one_hot_affine, ops.one_hot_affine_inverse
      if mode != 'eager':
        forward = tf.function(forward, jit_compile=mode == 'xla')
        inverse = tf.function(inverse, jit_compile=mode == 'xla')
      y = forward(x, shift, scale)
      self.assertEqual(y.dtype, dtype)
      self.assertNotAllEqual(_to_int(y), _to_int(x))
      self.assertAllEqual(_to_int(inverse(y, shift, scale)), _to_int(x))
      self.assertAllEqual(
          _to_int(forward(inverse(x, shift, scale), shift, scale)), _to_int(x)
      )

  @parameterized.parameters('affine', 'affine_inverse')
  def test_fused_equals_composed(self, name):
    x, shift, scale = map(tf.constant, _random_one_hots(6, [[9], [9], [9]]))
    weights = np.random.default_rng(1).normal(size=[9, 6])

    def composed(x, shift, scale):
      if name == 'affine':
        return ops.one_hot_add(ops.one_hot_multiply(x, scale), shift)
      return ops.one_hot_multiply(
          ops.one_hot_subtract(x, shift), ops.one_hot_inverse(scale)
      )

    def gradients(function):
      with tf.GradientTape() as tape:
        tape.watch([x, shift, scale])
        value = tf.reduce_sum(weights * function(x, shift, scale))
      return tape.gradient(value, [x, shift, scale])

    self.assertAllEqual(_op(name)(x, shift, scale), composed(x, shift, scale))
    self.assertAllClose(gradients(_op(name)), gradients(composed))

  @parameterized.parameters('affine', 'affine_inverse')
  def test_scale_has_a_gradient(self, name):
    x, shift, scale = map(tf.constant, np.eye(5)[[2, 1, 3]])
    with tf.GradientTape() as tape:
      tape.watch(scale)
      value = tf.tensordot(
          _op(name)(x, shift, scale), np.arange(5.0) ** 2, axes=1
      )
    self.assertGreater(np.ptp(tape.gradient(value, scale).numpy()), 1.0)

  # In float16 a running sum of ones stops at 2048.
  def test_half_precision_gradient_of_a_broadcast_argument(self):
    x = tf.one_hot(np.zeros(5000, np.int32), 2, dtype=tf.float16)
    shift = tf.constant([1.0, 0.0], tf.float16)
    with tf.GradientTape() as tape:
      tape.watch(shift)
      value = ops.one_hot_add(x, shift)
    gradient = tape.gradient(value, shift)
    self.assertEqual(gradient.dtype, tf.float16)
    self.assertAllEqual(gradient, [5000.0, 5000.0])

  def test_relaxed_vectors_count_as_their_largest_coordinate(self):
    relaxed = tf.constant([0.2, 0.5, 0.3])
    self.assertAllEqual(ops.one_hot_add(relaxed, relaxed), [0.0, 0.0, 1.0])

  @parameterized.parameters(False, True)
  def test_second_derivative_is_refused(self, graph):
    x = tf.eye(3)

    def second():
      with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
          inner.watch(x)
          value = tf.reduce_sum(ops.one_hot_multiply(x, x)[:, 0])
        gradient = inner.gradient(value, x)
      return outer.gradient(gradient, x)

    # A function wraps the error, but its text stands.
    with self.assertRaisesRegex(Exception, 'Expected a first derivative'):
      (tf.function(second) if graph else second)()

  @parameterized.named_parameters(
      ('classes', tf.eye(3), tf.eye(4), '`shift` with as many classes'),
      ('dtype', tf.eye(3), tf.eye(3, dtype=tf.float64), 'dtype of `x`'),
      ('one_class', tf.eye(1), tf.eye(1), 'static K of at least 2'),
      ('scalar', 1.0, tf.eye(3), 'static K of at least 2'),
  )
  def test_rejects(self, x, shift, message):
    with self.assertRaisesRegex(ValueError, message):
      ops.one_hot_add(x, shift)

  @parameterized.parameters(*_OPS)
  def test_rejects_an_unknown_number_of_classes(self, name):
    spec = tf.TensorSpec([2, None])
    function = tf.function(_op(name)).get_concrete_function
    with self.assertRaisesRegex(ValueError, 'static K of at least 2; received'):
      function(*[spec] * _OPS[name][0])


def _to_int(x):
  return tf.cast(x, tf.int32).numpy()


if __name__ == '__main__':
  tf.test.main()
