from absl.testing import parameterized
import keras
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from discrete_lvm import training


@keras.saving.register_keras_serializable(package='discrete_lvm_tests')
class _Temperature(keras.layers.Layer):
  """Writes down the temperature that each step sees."""

  def __init__(self, **kwargs):
    super().__init__(**kwargs)
    self.num_traces = 0

  def build(self, input_shape):
    self.temperature = self.add_weight(
        name='temperature', shape=(), initializer='ones', trainable=False
    )
    self.seen = self.add_weight(
        name='seen', shape=(32,), initializer='zeros', trainable=False
    )
    self.count = self.add_weight(
        name='count', shape=(), dtype='int32', trainable=False
    )

  def call(self, x, training=False):
    if training:
      self.num_traces += 1
      one_hot = tf.one_hot(self.count.value, 32)
      self.seen.assign_add(one_hot * self.temperature)
      self.count.assign_add(1)
    return x / self.temperature


def _make_model(**kwargs):
  x = keras.Input((3,))
  layer = _Temperature()
  model = keras.Model(x, keras.layers.Dense(1)(layer(x)))
  model.compile(keras.optimizers.SGD(1e-3), 'mse', **kwargs)
  layer.num_traces = 0  # Without that of the functional model.
  return model, layer


def _fit(model, callbacks, epochs=2):
  # 6 steps an epoch: calls of 4 and 2 steps.
  x = np.ones([12, 3], np.float32)
  return model.fit(
      x, x[:, :1], batch_size=2, epochs=epochs, verbose=0, callbacks=callbacks
  )


_SCHEDULE = ops.LinearSchedule(10.0, 40.0, num_steps=30)


class WeightScheduleTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      {'steps_per_execution': 1},
      {'steps_per_execution': 4},
      {'steps_per_execution': 4, 'jit_compile': True},
  )
  def test_every_step_of_fit_sees_its_value_in_one_trace(self, **kwargs):
    model, layer = _make_model(**kwargs)
    history = _fit(
        model, [training.WeightSchedule(layer.temperature, _SCHEDULE)]
    )
    self.assertAllClose(layer.seen[:12], 10.0 + np.arange(12))
    self.assertEqual(layer.num_traces, 1)
    self.assertAllClose(history.history['temperature'], [15.0, 21.0])

  def test_schedule_receives_an_integer_tensor(self):
    model, layer = _make_model()
    steps = []

    def schedule(step):
      steps.append(step)
      return 1.0

    _fit(model, [training.WeightSchedule(layer.temperature, schedule)])
    for step in steps:
      self.assertTrue(tf.is_tensor(step) and step.dtype.is_integer)

  def test_second_fit_with_another_schedule_goes_on(self):
    model, layer = _make_model(steps_per_execution=4)
    _fit(model, [training.WeightSchedule(layer.temperature, _SCHEDULE)])
    twice = training.WeightSchedule(
        layer.temperature, lambda step: 2 * _SCHEDULE(step)
    )
    _fit(model, [twice], epochs=1)
    self.assertAllClose(layer.seen[12:18], 2 * (22.0 + np.arange(6)))
    # Without a schedule it stays.
    _fit(model, [], epochs=1)
    self.assertAllClose(layer.seen[18:24], [54.0] * 6)
    # And a callback serves again.
    _fit(model, [twice], epochs=1)
    self.assertAllClose(layer.seen[24:30], 2 * (34.0 + np.arange(6)))

  def test_fit_that_was_interrupted_leaves_no_schedule(self):
    model, layer = _make_model()

    def interrupt(batch, logs):
      raise KeyboardInterrupt()

    with self.assertRaises(KeyboardInterrupt):
      _fit(
          model,
          [
              training.WeightSchedule(layer.temperature, lambda step: 99.0),
              keras.callbacks.LambdaCallback(on_train_batch_end=interrupt),
          ],
      )
    _fit(model, [training.WeightSchedule(layer.temperature, _SCHEDULE)], 1)
    self.assertAllClose(layer.seen[:7], [99.0, *(11.0 + np.arange(6))])

  def test_fit_after_one_that_was_interrupted_has_no_schedule(self):
    model, layer = _make_model()

    def interrupt(batch, logs):
      raise KeyboardInterrupt()

    scheduled = training.WeightSchedule(layer.temperature, lambda step: 99.0)
    callbacks = [
        scheduled,
        keras.callbacks.LambdaCallback(on_train_batch_end=interrupt),
    ]
    with self.assertRaises(KeyboardInterrupt):
      _fit(model, callbacks)
    layer.temperature.assign(1.0)
    _fit(model, [], epochs=1)
    self.assertAllClose(layer.temperature, 1.0)
    self.assertAllClose(layer.seen[:7], [99.0] + 6 * [1.0])
    # Nor has one after an evaluation with the callback that was left.
    with self.assertRaises(KeyboardInterrupt):
      _fit(model, callbacks)
    x = np.ones([2, 3], np.float32)
    model.evaluate(x, x[:, :1], verbose=0, callbacks=[scheduled])
    layer.temperature.assign(1.0)
    _fit(model, [], epochs=1)
    self.assertAllClose(layer.seen[7:14], [99.0] + 6 * [1.0])
    # And the callback serves again.
    _fit(model, [scheduled], epochs=1)
    self.assertAllClose(layer.seen[14:20], 6 * [99.0])

  @parameterized.parameters('evaluate', 'predict')
  def test_call_without_training_leaves_no_schedule(self, name):
    model, layer = _make_model()
    schedule = training.WeightSchedule(layer.temperature, _SCHEDULE)
    x = np.ones([12, 3], np.float32)
    data = [x, x[:, :1]] if name == 'evaluate' else [x]
    getattr(model, name)(*data, verbose=0, callbacks=[schedule])
    _fit(model, [], epochs=1)
    self.assertAllClose(layer.seen[:6], [1.0] * 6)
    # And the callback serves a training.
    _fit(model, [schedule], epochs=1)
    self.assertAllClose(layer.seen[6:12], 16.0 + np.arange(6))

  def test_validation_leaves_the_schedule_to_the_training(self):
    model, layer = _make_model()
    x = np.ones([12, 3], np.float32)
    model.fit(
        x,
        x[:, :1],
        validation_data=(x, x[:, :1]),
        batch_size=2,
        epochs=2,
        verbose=0,
        callbacks=[training.WeightSchedule(layer.temperature, _SCHEDULE)],
    )
    self.assertAllClose(layer.seen[:12], 10.0 + np.arange(12))

  def test_two_schedules(self):
    model, layer = _make_model()
    other = keras.Variable(0.0, trainable=False, name='other')
    history = _fit(
        model,
        [
            training.WeightSchedule(layer.temperature, _SCHEDULE),
            training.WeightSchedule(other, ops.LinearSchedule(0.0, 1.0, 11)),
        ],
    )
    self.assertAllClose(layer.seen[:12], 10.0 + np.arange(12))
    self.assertAllClose(history.history['other'], [5 / 11, 1.0])

  def test_continues_from_a_saved_model(self):
    model, layer = _make_model(steps_per_execution=4)
    _fit(model, [training.WeightSchedule(layer.temperature, _SCHEDULE)], 1)
    path = f'{self.get_temp_dir()}/model.keras'
    model.save(path)
    restored = keras.models.load_model(path)
    layer = restored.layers[1]
    self.assertAllClose(layer.temperature, 15.0)
    _fit(restored, [training.WeightSchedule(layer.temperature, _SCHEDULE)], 1)
    self.assertAllClose(layer.seen[:12], 10.0 + np.arange(12))

  def test_bad_arguments(self):
    weight = keras.Variable(1.0)
    with self.assertRaisesRegex(ValueError, 'to be a scalar variable'):
      training.WeightSchedule(keras.Variable([1.0]), _SCHEDULE)
    with self.assertRaisesRegex(ValueError, 'to be a scalar variable'):
      training.WeightSchedule(0.5, _SCHEDULE)
    with self.assertRaisesRegex(ValueError, r'function of the step; .* 0\.5'):
      training.WeightSchedule(weight, 0.5)


if __name__ == '__main__':
  tf.test.main()
