import math

from absl.testing import parameterized
import keras
import tensorflow as tf

from discrete_lvm import ops

SCHEDULES = (
    ops.ExponentialSchedule(1.0, rate=1e-3, minimum=0.5, every=100),
    ops.LinearSchedule(0.0, 1.0, num_steps=10, begin=5),
    ops.CosineSchedule(1.0, 1 / 16, num_steps=150),
    ops.CyclicSchedule(0.0, 1.0, period=10, ramp=0.5),
    ops.RectifiedSchedule(0.5),
)


class SchedulesTest(tf.test.TestCase, parameterized.TestCase):

  def test_exponential_is_that_of_the_paper(self):
    schedule = SCHEDULES[0]
    for step in (0, 99, 100, 350, 692, 700, 10**6):
      expected = max(0.5, math.exp(-1e-3 * (step // 100 * 100)))
      self.assertAllClose(schedule(step), expected, rtol=1e-6)

  def test_linear_and_cosine_go_from_end_to_end(self):
    for cls in (ops.LinearSchedule, ops.CosineSchedule):
      schedule = cls(2.0, -1.0, num_steps=10, begin=5)
      self.assertAllClose(
          [schedule(s) for s in (0, 5, 10, 15, 99)], [2.0, 2.0, 0.5, -1.0, -1.0]
      )
    self.assertAllClose(
        ops.CosineSchedule(1.0, 0.0, num_steps=4)(1),
        (1 + math.cos(math.pi / 4)) / 2,
    )

  def test_cyclic_repeats(self):
    schedule = SCHEDULES[3]
    values = [float(schedule(step)) for step in range(20)]
    self.assertAllClose(values[:10], [0.0, 0.2, 0.4, 0.6, 0.8] + [1.0] * 5)
    self.assertAllClose(values[10:], values[:10])

  def test_rectified_is_that_of_the_paper(self):
    schedule = SCHEDULES[4]
    longest = 2 / (1 - 0.999) - 1
    for step in (0, 4, 5, 6, 30, 1000, 10**6):
      t = step + 1  # The paper counts from 1; in float64.
      rho = longest - 2 * t * 0.999**t / (1 - 0.999**t)
      expected = 0.0
      if rho > 5:
        expected = 0.5 * math.sqrt(
            (rho - 4)
            * (rho - 2)
            * longest
            / (longest - 4)
            / (longest - 2)
            / rho
        )
      self.assertAllClose(schedule(step), expected, rtol=2e-4)

  def test_tells_late_steps_apart(self):
    # float32 holds no odd integer above 2**24.
    begin = 2**24
    schedule = ops.LinearSchedule(0.0, 4.0, num_steps=4, begin=begin)
    values = [float(schedule(begin + i)) for i in range(5)]
    self.assertEqual(values, [0.0, 1.0, 2.0, 3.0, 4.0])

  @parameterized.parameters(*SCHEDULES)
  def test_is_a_float32_function_of_an_integer_step(self, schedule):
    compiled = tf.function(schedule, jit_compile=True)
    for step in (0, 7, 250):
      value = compiled(tf.constant(step, tf.int64))
      self.assertEqual(value.dtype, tf.float32)
      self.assertAllClose(value, schedule(step), rtol=1e-6)

  @parameterized.parameters(*SCHEDULES)
  def test_survives_its_config(self, schedule):
    config = keras.saving.serialize_keras_object(schedule)
    restored = keras.saving.deserialize_keras_object(config, safe_mode=True)
    self.assertEqual(restored, schedule)
    self.assertEqual(hash(restored), hash(schedule))
    self.assertNotEqual(schedule, ops.LinearSchedule(0.0, 1.0, num_steps=3))

  def test_is_a_learning_rate(self):
    optimizer = keras.optimizers.SGD(ops.LinearSchedule(1.0, 0.0, num_steps=4))
    weight = keras.Variable(0.0)
    for _ in range(2):
      optimizer.apply([tf.constant(-1.0)], [weight])
    self.assertAllClose(weight.value, 1.0 + 0.75)

  @parameterized.parameters(
      (lambda: ops.LinearSchedule(0.0, 1.0, num_steps=0), '`num_steps`'),
      (lambda: ops.CosineSchedule(0.0, 1.0, num_steps=-1), '`num_steps`'),
      (lambda: ops.CyclicSchedule(0.0, 1.0, period=0), '`period`'),
      (lambda: ops.CyclicSchedule(0.0, 1.0, period=5, ramp=0.0), '`ramp`'),
      (lambda: ops.ExponentialSchedule(1.0, rate=-1.0), '`rate`'),
      (lambda: ops.ExponentialSchedule(1.0, rate=1.0, every=0), '`every`'),
      (lambda: ops.ExponentialSchedule(1.0, rate=1.0, every=2.5), '`every`'),
      (lambda: ops.CyclicSchedule(0.0, 1.0, period=2.5), '`period`'),
      (lambda: ops.RectifiedSchedule(1.0, beta_2=0.6), '`beta_2`'),
  )
  def test_rejects(self, make, message):
    with self.assertRaisesRegex(ValueError, f'Expected .*{message}.*received'):
      make()

  @parameterized.parameters(ops.LinearSchedule, ops.CosineSchedule)
  def test_rejects_a_begin_that_is_no_integer(self, cls):
    with self.assertRaisesRegex(ValueError, 'integer `begin`'):
      cls(0.0, 1.0, 10, begin=1e3)

  def test_rejects_a_rate_that_is_no_number(self):
    with self.assertRaisesRegex(ValueError, '`rate` of at least 0'):
      ops.ExponentialSchedule(1.0, rate=math.nan)


if __name__ == '__main__':
  tf.test.main()
