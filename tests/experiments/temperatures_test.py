import math

from absl.testing import absltest
from absl.testing import parameterized

import discrete_lvm as dlvm
from experiments import temperatures


class TemperaturesTest(parameterized.TestCase):

  def test_learned_is_logged_and_not_set(self):
    self.assertIsNone(temperatures.parse('learned:0.5', 10))
    arguments = temperatures.constructor_arguments(
        'learned:0.5', 'gumbel_softmax'
    )
    estimator = dlvm.estimators.GumbelSoftmax(**arguments)
    (callback,) = temperatures.callbacks([estimator], None)
    callback.apply(step=3)
    logs = {}
    callback.on_epoch_end(0, logs)
    self.assertAlmostEqual(logs['temperature'], 0.5, places=6)
    estimator.log_temperature.assign(math.log(0.25))
    callback.on_epoch_end(0, logs)
    self.assertAlmostEqual(logs['temperature'], 0.25, places=6)

  def test_a_schedule_is_set_where_there_is_a_temperature(self):
    schedule = temperatures.parse('linear:initial=1,final=0.5,num_steps=2', 2)
    estimators = [
        dlvm.estimators.GumbelSoftmax(
            **temperatures.constructor_arguments('1', 'gumbel_softmax')
        ),
        dlvm.estimators.Exact(),
    ]
    (callback,) = temperatures.callbacks(estimators, schedule)
    callback.apply(step=1)
    self.assertEqual(float(estimators[0].temperature), 0.75)
    self.assertEqual(temperatures.callbacks(estimators, None), [])

  def test_names_those_that_learn(self):
    with self.assertRaisesRegex(
        ValueError,
        'Expected one of gumbel_softmax, straight_through_gumbel_softmax, .*'
        '=learned:1; received straight_through',
    ):
      temperatures.constructor_arguments('learned:1', 'straight_through')

  @parameterized.parameters(
      'learned:',
      'learned:0',
      'learned:fast',
      'learned:inf',
      'learned:exponential:initial=1,rate=1e-3',
      '-1',
  )
  def test_rejects(self, text):
    with self.assertRaisesRegex(ValueError, 'Expected a schedule'):
      temperatures.parse(text, 10)


if __name__ == '__main__':
  absltest.main()
