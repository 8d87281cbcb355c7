"""An optimizer that averages the weights is evaluated and saved by them."""

import pathlib

from absl.testing import parameterized
import keras
import pytest
import tensorflow as tf

from discrete_lvm import training
from discrete_lvm.training import averaged_weights
from tests.training import families
from tests.training import toy

_MOMENTUM = 0.8


def _optimizer():
  return training.FusedAdam(1e-2, use_ema=True, ema_momentum=_MOMENTUM)


def _weights(trainer):
  return [w.numpy() for w in trainer.model.trainable_variables]


class AveragedWeightsTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir())

  def _make_trainer(self, name, *callbacks, optimizer=None, **kwargs):
    return toy.make_trainer(
        self._dir / name,
        callbacks,
        optimizer=optimizer or _optimizer(),
        **kwargs,
    )

  def _assert_same(self, a, b):
    for x, y in zip(a, b, strict=True):
      self.assertAllEqual(x, y)

  @parameterized.parameters(
      (lambda: None,),
      (lambda: keras.optimizers.LossScaleOptimizer(_optimizer()),),
  )
  def test_model_of_fit_is_the_average(self, make_optimizer):
    def average(step):
      weights = _weights(trainer)
      self.assertNotEmpty(weights)
      momentum = _MOMENTUM if step > 1 else 0.0
      averages[:] = [
          momentum * a + (1 - momentum) * w
          for a, w in zip(averages or weights, weights, strict=True)
      ]

    averages = []
    trainer = self._make_trainer(
        'a',
        toy.Recorder(average),
        optimizer=make_optimizer(),
        steps_per_call=1,
    )
    toy.fit(trainer)
    for average, weight in zip(averages, _weights(trainer), strict=True):
      self.assertAllClose(average, weight, atol=1e-6, rtol=1e-5)

  def test_training_is_as_without(self):
    def record(name):
      trainer = self._make_trainer(
          name,
          toy.Recorder(lambda _: steps[name].append(_weights(trainer))),
          optimizer=None if name == 'with' else training.FusedAdam(1e-2),
      )
      toy.fit(trainer)
      return trainer

    steps = {'with': [], 'without': []}
    with_averages, without = record('with'), record('without')
    for a, b in zip(steps['with'], steps['without'], strict=True):
      self._assert_same(a, b)
    self._assert_same(steps['without'][-1], _weights(without))
    for a, b in zip(_weights(with_averages), _weights(without), strict=True):
      self.assertNotAllClose(a, b)

  def test_evaluation_and_callbacks_are_of_the_average(self):
    class AtEpochEnd(keras.callbacks.Callback):

      def on_epoch_end(self, epoch, logs=None):
        ended[logs['step']] = _weights(trainer), logs.get('val_distortion')

    ended = {}
    trainer = self._make_trainer('a', AtEpochEnd())
    toy.fit(trainer, 10)
    weights, distortion = ended[10]
    self._assert_same(weights, _weights(trainer))
    examples = tf.data.Dataset.from_tensor_slices(toy.examples()).batch(8)
    self.assertEqual(distortion, trainer.evaluate(examples)['distortion'])

  def test_resumes_bit_for_bit(self):
    whole = self._make_trainer('whole')
    toy.fit(whole)
    for num_steps in (4, 10, 13, 13):
      resumed = self._make_trainer('resumed')
      toy.fit(resumed, num_steps)
    self.assertEqual(toy.state(resumed), toy.state(whole))
    longer = self._make_trainer('longer')
    toy.fit(longer, 13)
    toy.fit(longer, 20)
    toy.fit(whole, 20)
    self.assertEqual(toy.state(longer), toy.state(whole))

  def test_restored_model_is_the_average(self):
    trainer = self._make_trainer('a')
    toy.fit(trainer)
    restored = self._make_trainer('a', optimizer=keras.optimizers.SGD())
    restored.restore()
    self._assert_same(_weights(restored), _weights(trainer))

  def test_there_is_no_average_before_the_first_step(self):
    trainer = self._make_trainer('a')
    trainer.optimizer.build(trainer.model.trainable_variables)
    before = _weights(trainer)
    with averaged_weights.AveragedWeights(trainer.optimizer):
      self._assert_same(_weights(trainer), before)
    self._assert_same(_weights(trainer), before)

  @pytest.mark.slow
  def test_replicas_average_as_one_does(self):
    def train(num_replicas):
      trainer, _ = families.train(
          'discrete_flow',
          self._dir / f'replicas_{num_replicas}',
          num_replicas,
          make_optimizer=_optimizer,
      )
      return families.weights(trainer)

    with families.shared_noise():
      for one, two in zip(train(None), train(2), strict=True):
        self.assertAllClose(one, two, atol=1e-6, rtol=0)


if __name__ == '__main__':
  tf.test.main()
