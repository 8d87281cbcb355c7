from absl.testing import absltest
from absl.testing import parameterized
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import schedules


class SchedulesTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      (
          'exponential:initial=1,rate=3e-5,minimum=0.5,every=1000',
          dlvm.ops.ExponentialSchedule(1.0, 3e-5, 0.5, 1000),
      ),
      (
          'linear:initial=1,final=.5,num_steps=100',
          dlvm.ops.LinearSchedule(1.0, 0.5, 100),
      ),
      (
          'cosine:final=0.1,initial=2,num_steps=10,begin=5',
          dlvm.ops.CosineSchedule(2.0, 0.1, 10, 5),
      ),
      (
          'cyclic:initial=.1,final=1,period=8,ramp=0.25',
          dlvm.ops.CyclicSchedule(0.1, 1.0, 8, 0.25),
      ),
      ('rectified:initial=1e-3', dlvm.ops.RectifiedSchedule(1e-3)),
  )
  def test_reads_every_kind(self, text, expected):
    self.assertEqual(schedules.parse(text), expected)

  @parameterized.parameters('0.7', '7e-1', 'constant:0.7')
  def test_constant(self, text):
    schedule = schedules.parse(text)
    self.assertAllClose([schedule(0), schedule(10**6)], [0.7, 0.7])

  @parameterized.parameters(
      ('', 'could not convert'),
      ('half', 'could not convert'),
      ('step:initial=1', "'step' is no kind"),
      ('constant:', 'could not convert'),
      ('constant:half', 'could not convert'),
      ('exponential:initial=1', "missing .*'rate'"),
      (
          'exponential:initial=1,rate=1e-3,floor=.5',
          "'floor' is none of initial",
      ),
      ('exponential:initial=1,rate', 'could not convert'),
      ('linear:initial=1,final=.5,num_steps=1.5', 'invalid literal'),
      ('exponential:initial=1,rate=1e-3,every=0', '`every` of at least 1'),
      ('rectified:initial=1,initial=2', "'initial' stands there twice"),
  )
  def test_bad_grammar(self, text, reason):
    with self.assertRaisesRegex(
        ValueError, f'Expected a schedule, .*received .*{reason}'
    ):
      schedules.parse(text)

  @parameterized.parameters(
      '-1e-3', 'nan', 'inf', 'linear:initial=1,final=-1,num_steps=9'
  )
  def test_numbers_that_are_no_learning_rates(self, text):
    with self.assertRaisesRegex(ValueError, f'finite numbers .* in {text!r}'):
      schedules.parse(text)
    # One that ends at zero is legal.
    schedules.parse('linear:initial=1,final=0,num_steps=9')

  def test_learning_rates_last_as_long_as_the_training(self):
    for kind in ('linear', 'cosine'):
      text = f'{kind}:initial=1,final=0,num_steps=6,begin=3'
      schedules.parse_learning_rate(text, num_steps=9)
      with self.assertRaisesRegex(
          ValueError, f'--num_steps of at most 9, .*{text} .*--num_steps=10'
      ):
        schedules.parse_learning_rate(text, num_steps=10)
      with self.assertRaisesRegex(ValueError, '--num_warmup of at most 9'):
        schedules.parse_learning_rate(text, 10, 'num_warmup')

  @parameterized.parameters(
      '1e-3',
      # It is plain what this one does.
      '0',
      'linear:initial=1,final=1e-3,num_steps=6',
      'linear:initial=0,final=1,num_steps=6',
      'cyclic:initial=1,final=0,period=6',
      'exponential:initial=1,rate=0.1',
  )
  def test_learning_rates_without_an_end_at_zero(self, text):
    schedules.parse_learning_rate(text, num_steps=100)

  @parameterized.parameters(
      ('constant:0', '0 at step 0'),
      ('constant:-1', '-1 at step 0'),
      ('constant:nan', 'nan at step 0'),
      ('inf', 'nan at step 0'),
      # At the last step of each cycle.
      (
          'cyclic:initial=1,final=-0.02,period=98,ramp=1',
          '-0.00959182 at step 97',
      ),
      ('linear:initial=1,final=-1,num_steps=1000', '0 at step 500'),
  )
  def test_temperatures_must_stay_positive(self, text, reason):
    with self.assertRaisesRegex(ValueError, f'positive values.*{reason}'):
      schedules.parse_positive(text, num_steps=990)

  def test_positive_for_as_long_as_it_is_needed(self):
    text = 'linear:initial=1,final=-1,num_steps=1000'
    self.assertAllClose(schedules.parse_positive(text, num_steps=400)(250), 0.5)


if __name__ == '__main__':
  absltest.main()
