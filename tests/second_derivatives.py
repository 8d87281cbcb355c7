"""A check of second derivatives."""

import tensorflow as tf


def assert_right(test, function, *args):
  """Compares the second derivatives of a sum with differences of its first.

  Args:
    test: The `tf.test.TestCase`.
    function: From `args` to a list of `Tensor`s.
    *args: float64 arrays, each of which is moved as a whole.
  """
  args = [tf.constant(x, tf.float64) for x in args]

  def slope(args):
    with tf.GradientTape() as tape:
      tape.watch(args)
      loss = tf.add_n([tf.reduce_sum(x) for x in function(*args)])
    slopes = tape.gradient(loss, args)
    return tf.add_n([tf.reduce_sum(x) for x in slopes])

  step = 1e-5
  for i, x in enumerate(args):

    def slope_at(x, i=i):
      return slope([*args[:i], x, *args[i + 1 :]])

    with tf.GradientTape() as tape:
      tape.watch(x)
      value = slope_at(x)
    found = tape.gradient(value, x, unconnected_gradients='zero')
    test.assertAllClose(
        tf.reduce_sum(found),
        (slope_at(x + step) - slope_at(x - step)) / (2 * step),
        rtol=1e-5,
    )
