"""What stands in a loss in place of the rate: weights, free bits, a target."""

import math
import os

from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import models
from discrete_lvm import objectives
from discrete_lvm import ops
from discrete_lvm import training

KL = np.float32([[[3.0, 0.0], [0.5, 1.0]], [[1.0, 0.25], [0.0, 0.75]]])
CONTROLS = {
    'RateWeight': lambda **kwargs: models.RateWeight(0.3, **kwargs),
    'FreeBits': lambda **kwargs: models.FreeBits(
        0.4, 1, 'max_then_mean', **kwargs
    ),
    'TargetRate': lambda **kwargs: models.TargetRate(2.0, 0.7, **kwargs),
}


def _functional(name):
  inputs = keras.Input((3,))
  kl = keras.layers.Dense(4, 'softplus')(inputs)
  control = CONTROLS[name]()
  return keras.Model(inputs, control(kl)), control


class RateControlsTest(tf.test.TestCase, parameterized.TestCase):

  def test_values(self):
    total = KL.sum((1, 2))
    for name, expected in (
        ('RateWeight', 0.3 * total),
        ('FreeBits', objectives.free_bits(KL, 0.4, 1, 'max_then_mean')),
        ('TargetRate', 0.7 * math.exp(2 * 1.25 / 5.25) * total),
    ):
      self.assertAllClose(CONTROLS[name]()(KL), expected)
    self.assertAllClose(
        CONTROLS['RateWeight']()(tf.constant([1.0, 2.0])), [0.3, 0.6]
    )

  @parameterized.parameters(*CONTROLS)
  def test_float32_under_any_policy_and_compiled(self, name):
    control = CONTROLS[name](dtype='mixed_bfloat16')
    kl = tf.constant(KL) * 1.001  # Not a number of bfloat16.
    expected = CONTROLS[name]()(kl)
    rate = control(kl)
    self.assertEqual(rate.dtype, tf.float32)
    self.assertAllEqual(rate, expected)
    self.assertEqual(control(tf.constant(KL, tf.bfloat16)).dtype, tf.float32)
    compiled = tf.function(
        lambda kl: control(kl),
        input_signature=[tf.TensorSpec([None, 2, 2])],
        jit_compile=True,
    )
    self.assertAllClose(compiled(kl), expected)

  @parameterized.parameters(*CONTROLS)
  def test_rates_in_float64_stay_so(self, name):
    control = CONTROLS[name]()
    with tf.GradientTape() as tape:
      kl = tf.constant(KL, tf.float64)
      tape.watch(kl)
      rate = control(kl)
    self.assertEqual(rate.dtype, tf.float64)
    self.assertAllClose(rate, control(tf.constant(KL)), rtol=1e-6)
    weights = [w.value for w in control.trainable_variables]
    for gradient in tape.gradient(rate, [kl, *weights]):
      self.assertGreater(tf.norm(gradient), 0.0)

  @parameterized.parameters(*CONTROLS)
  def test_functional_model_trains_and_survives_a_file(self, name):
    model, control = _functional(name)
    model.compile('sgd', 'mse')
    x = np.random.default_rng(0).normal(size=[8, 3]).astype('float32')
    model.fit(x, np.zeros(8), verbose=0)
    for weight in control.weights:
      weight.assign(-0.5)  # Not what the constructor sets.
    path = os.path.join(self.get_temp_dir(), 'model.keras')
    model.save(path)
    restored = keras.models.load_model(path, safe_mode=True)
    self.assertAllEqual(restored(x), model(x))
    self.assertEqual(restored.layers[-1].get_config(), control.get_config())

  def test_schedule_anneals_the_rate_weight(self):
    model, control = _functional('RateWeight')
    model.compile('sgd', 'mse')
    x = np.ones([8, 3], np.float32)
    schedule = ops.LinearSchedule(0.0, 1.0, num_steps=10)
    history = model.fit(
        x,
        np.zeros(8),
        batch_size=2,
        epochs=3,
        verbose=0,
        callbacks=[training.WeightSchedule(control.rate_weight, schedule)],
    )
    self.assertAllClose(history.history['rate_weight'], [0.3, 0.7, 1.0])
    self.assertEmpty(control.trainable_variables)

  def test_target_rate_has_the_two_gradients_and_no_value_of_its_own(self):
    control = models.TargetRate(2.0, 0.7)
    control.log_weight.assign(0.3)
    with tf.GradientTape() as tape:
      kl = tf.constant(KL)
      tape.watch(kl)
      rate = control(kl)
      loss = tf.reduce_mean(rate)
    # The mean rate is 3.25 nats.
    excess = 1.25 / 5.25
    weight = np.exp(0.3 + 2 * excess)
    self.assertAllClose(rate, weight * KL.sum((1, 2)), rtol=1e-6)
    to_kl, to_weight = tape.gradient(loss, [kl, control.log_weight.value])
    # The excess does not reach the rates.
    self.assertAllClose(to_kl, np.full([2, 2, 2], weight / 2))
    self.assertAllClose(to_weight, -excess)

  def test_target_rate_is_finite_whatever_the_rate(self):
    control = models.TargetRate(2.0)
    for rate, excess in ((0.0, -1.0), (-2.0, -1.0), (1e9, 1.0)):
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(control(tf.fill([3, 1], rate)))
      self.assertAllClose(loss, rate * math.exp(2 * excess))
      gradient = tape.gradient(loss, control.log_weight.value)
      self.assertAllClose(gradient, -excess)

  @parameterized.product(start=(0.1, 5.0), target=(0.3, 1.0))
  def test_target_rate_finds_the_rate(self, start, target):
    control = models.TargetRate(target)
    # Many weights move a rate together, so it moves faster than the weight.
    tenth_log_rate = keras.Variable(math.log(start) / 10)
    variables = [tenth_log_rate, *control.trainable_variables]
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(variables)

    @tf.function
    def train():
      for _ in tf.range(4000):
        with tf.GradientTape() as tape:
          rate = tf.exp(10 * tf.convert_to_tensor(tenth_log_rate))
          # Two examples whose mean counts, and a distortion of 2 * exp(-rate).
          kl = rate * tf.constant([[0.25, 0.25], [1.0, 0.5]])
          loss = tf.reduce_mean(control(kl)) + 2 * tf.exp(-rate)
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(gradients, variables)

    train()
    self.assertAllClose(tf.exp(10 * tenth_log_rate.value), target, rtol=1e-2)
    # Minus the slope of the distortion.
    self.assertAllClose(
        tf.exp(control.log_weight.value), 2 * math.exp(-target), rtol=1e-2
    )

  @parameterized.parameters(*CONTROLS)
  def test_rejects_rates_without_a_batch(self, name):
    with self.assertRaisesRegex(ValueError, r'\[batch, ...\]; received'):
      CONTROLS[name]()(tf.constant(1.0))

  def test_rejects_arguments(self):
    for weight in (-0.1, math.nan):
      with self.assertRaisesRegex(ValueError, '`weight` of at least 0'):
        models.RateWeight(weight)
    with self.assertRaisesRegex(ValueError, '`free_nats` of at least 0'):
      models.FreeBits(-1.0)
    with self.assertRaisesRegex(ValueError, "received 'max'"):
      models.FreeBits(1.0, order='max')
    with self.assertRaisesRegex(ValueError, 'at most 2, the axes of `kl`'):
      models.FreeBits(1.0, group_ndims=3)(KL)
    for target in (0.0, math.nan, math.inf):
      with self.assertRaisesRegex(ValueError, 'positive `target`; received'):
        models.TargetRate(target)
    with self.assertRaisesRegex(ValueError, 'positive `initial_weight`'):
      models.TargetRate(1.0, -1.0)


if __name__ == '__main__':
  tf.test.main()
