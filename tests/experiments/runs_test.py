import pathlib

from absl import flags
from absl.testing import absltest
from absl.testing import flagsaver
from absl.testing import parameterized
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import results
from experiments import runs
from experiments import shared_flags


class SweepTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()

  @flagsaver.flagsaver(num_seeds=2, output_dir='runs')
  def test_goes_on_after_a_run_that_diverges(self):
    done = []

    def run(name, seed):
      if (name, seed) == ('bad', 0):
        raise dlvm.training.NonFiniteLossError(7, 'rate', None)
      done.append((name, seed))
      return {}

    with self.assertRaisesRegex(
        FloatingPointError, "1 of 4 did not, .*bad/seed_0: .*'rate' at step 7"
    ):
      runs.sweep(['bad', 'good'], run)
    self.assertEqual(done, [('bad', 1), ('good', 0), ('good', 1)])
    done.clear()
    self.assertEqual(runs.sweep(['good'], run), {'good': [{}, {}]})


class LearningRateTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()
    self.enter_context(flagsaver.flagsaver())
    flags.set_default(
        shared_flags.LEARNING_RATE, 'cosine:initial=1,final=0,num_steps=10'
    )

  def test_default_lasts_for_all_steps(self):
    for num_steps, expected in ((5, 10), (10, 10), (20, 20)):
      with flagsaver.flagsaver(num_steps=num_steps):
        schedule = runs.resolve_learning_rate()
        self.assertEqual(schedule.get_config()['num_steps'], expected)
        # What the config of a run holds.
        self.assertEqual(
            shared_flags.LEARNING_RATE.value,
            f'cosine:initial=1,final=0,num_steps={expected}',
        )

  @flagsaver.flagsaver(num_steps=20)
  def test_one_that_is_given_stays(self):
    text = 'cosine:initial=2,final=0,num_steps=10'
    with flagsaver.flagsaver(learning_rate=text):
      with self.assertRaisesRegex(ValueError, 'of at most 10, .*initial=2'):
        runs.resolve_learning_rate()
      with self.assertRaisesRegex(ValueError, 'of at most 10, .*initial=2'):
        runs.make_trainer(None, 0, pathlib.Path(self.get_temp_dir()))
    text = 'cosine:initial=2,final=1,num_steps=10'
    with flagsaver.flagsaver(learning_rate=text):
      runs.resolve_learning_rate()
      self.assertEqual(shared_flags.LEARNING_RATE.value, text)


class ClaimTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.run_dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def fail_inside(self, config, left_behind=None):
    with self.assertRaisesRegex(ValueError, 'bad flag'):
      with runs.claim(self.run_dir, config):
        if left_behind:
          path = self.run_dir / left_behind
          path.parent.mkdir(parents=True, exist_ok=True)
          path.write_text('')
        raise ValueError('bad flag')

  def test_gives_back_what_a_bad_flag_claimed(self):
    self.fail_inside({'clip_norm': -1.0})
    with runs.claim(self.run_dir, {'clip_norm': 1.0}):
      pass
    # That of a run stays what it is.
    self.fail_inside({'clip_norm': 1.0})
    with self.assertRaisesRegex(ValueError, r'expected 1\.0, received 2\.0'):
      with runs.claim(self.run_dir, {'clip_norm': 2.0}):
        pass

  @parameterized.parameters(
      'checkpoints/ckpt-1.index', 'vae/checkpoints/ckpt-1.index', results.NAME
  )
  def test_keeps_what_a_run_has_left_something_in(self, name):
    self.fail_inside({'seed': 0}, name)
    with self.assertRaisesRegex(ValueError, 'expected 0, received 1'):
      with runs.claim(self.run_dir, {'seed': 1}):
        pass


class ResumeTest(tf.test.TestCase):

  def test_seconds_of_a_part_are_not_those_of_a_run(self):
    run_dir = pathlib.Path(self.get_temp_dir()) / 'run'

    def resume(step):
      return runs.resume(
          run_dir, {}, {'step': step}, lambda: None, lambda _: {'nats': 1.0}
      )

    whole = resume(1)
    self.assertGreaterEqual(whole['seconds'], 0)
    self.assertGreaterEqual(whole['cpu_seconds'], 0)
    (run_dir / 'checkpoints').mkdir()
    (run_dir / 'checkpoints/ckpt-1.index').write_text('')
    self.assertEqual(resume(1), whole)
    self.assertEqual(resume(2), {'step': 2, 'nats': 1.0})


if __name__ == '__main__':
  absltest.main()
