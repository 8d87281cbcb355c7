import re
from unittest import mock

from absl.testing import absltest
from absl.testing import flagsaver
from absl.testing import parameterized
import numpy as np

import discrete_lvm as dlvm
from experiments import discrete_flow_full_rank
from experiments import flow_runs
from experiments import full_rank
from tests.experiments import flow_binary

_MODELS = ['factorized', 'factorized+2xbipartite+autoregressive']


class DiscreteFlowFullRankTest(
    flow_binary.FlowBinaryTestCase, parameterized.TestCase
):

  def run_main(self, module=discrete_flow_full_rank, **flag_values):
    flag_values = {
        'length': 3,
        'num_classes': 3,
        'models': _MODELS,
        **flag_values,
    }
    return super().run_main(module, **flag_values)

  def test_leaves_everything_and_resumes_exactly(self):
    printed = self.run_main(num_seeds=2)
    truth = full_rank.full_rank(3, 3, seed=0)
    self.assertIn(f'{truth.entropy():.3f}', printed)
    for model in _MODELS:
      above = [self.results(model, s)['nats_above_entropy'] for s in (0, 1)]
      self.assertNotEqual(*above)
      row = [
          re.escape(model),
          f'{truth.entropy() + np.mean(above):.3f}',
          *(f'{f(above):.3f}' for f in (np.mean, min, max)),
          'exact',
      ]
      self.assertRegex(printed, ' *│ +'.join(row))
      self.assertAllClose(
          self.results(model)['total_probability'], 1, atol=1e-5
      )
    self.assertGreater(np.std(self.picture()), 5)

    # In another directory: stopped half-way through a run, then the sweep.
    whole = [self.results(model) for model in _MODELS]
    self.output_dir = self.output_dir.with_name('resumed')
    self.run_main(models=_MODELS[1:], num_steps=2)
    self.run_main()
    for model, results in zip(_MODELS, whole, strict=True):
      for name in ('step', 'nats', 'total_probability'):
        self.assertEqual(self.results(model)[name], results[name])

    # Runs that are done are not run again.
    with mock.patch.object(dlvm.training.Trainer, 'fit') as fit:
      self.run_main()
    fit.assert_not_called()

  def test_fewer_steps_than_were_done(self):
    self.run_main(models=['factorized'])
    before = self.results('factorized')
    stderr = self.run_failing(
        discrete_flow_full_rank, models=['factorized'], num_steps=2
    )
    self.assertIn('`num_steps` of at least 4', stderr)
    self.assertEqual(self.results('factorized'), before)

  @flagsaver.flagsaver()
  def test_more_steps_than_the_default_learning_rate_lasts(self):
    self.tiny = {k: v for k, v in self.tiny.items() if k != 'learning_rate'}
    flow_runs.set_defaults(models='factorized', num_steps=2)
    self.run_main(models=['factorized'], num_steps=2)
    stderr = self.run_failing(
        discrete_flow_full_rank, models=['factorized'], num_steps=4
    )
    self.assertRegex(
        stderr,
        'learning_rate: expected ".*=2", received ".*=4"\\.',
    )
    self.output_dir = self.output_dir.with_name('longer')
    self.run_main(models=['factorized'], num_steps=4)
    path = self.output_dir / 'factorized/seed_0/config.json'
    self.assertIn('final=0,num_steps=4"', path.read_text())

  def test_events_that_are_damaged_or_missing(self):
    self.run_main(models=['factorized'], num_steps=1)
    run_dir = self.output_dir / 'factorized/seed_0'
    path = run_dir / 'events.npz'
    whole = path.read_bytes()
    for content in (whole[:50], b'', b'no archive', None):
      path.unlink() if content is None else path.write_bytes(content)
      stderr = self.run_failing(
          discrete_flow_full_rank, models=['factorized'], num_steps=1
      )
      self.assertIn(f'Remove {run_dir}/results.json', stderr)
    # As it says. What stops while it writes them leaves no half of a file.
    (run_dir / 'results.json').unlink()
    path.write_bytes(whole)

    def write_half(file, **unused_events):
      write = getattr(file, 'write_bytes', None) or file.write
      write(whole[:50])
      raise OSError('No space left')

    with mock.patch.object(np, 'savez', write_half):
      self.run_failing(
          discrete_flow_full_rank, models=['factorized'], num_steps=1
      )
    self.assertEqual(path.read_bytes(), whole)
    path.write_bytes(b'')
    self.run_main(models=['factorized'], num_steps=1)
    self.assertEqual(path.read_bytes(), whole)

  def test_the_factorised_model_reaches_its_bound(self):
    self.run_main(
        models=['factorized'],
        batch_size=256,
        learning_rate='cosine:initial=0.1,final=0,num_steps=150',
        num_steps=150,
        eval_every=150,
    )
    truth = full_rank.full_rank(3, 3, seed=0)
    nats = self.results('factorized')['nats']
    # Six free parameters over 150 * 256 events: 3 / 38400 nats and less.
    self.assertBetween(nats - truth.factorized_entropy(), 0, 2e-3)

  def test_data_seed_is_that_of_the_table(self):
    self.run_main(models=['factorized'], data_seed=1, num_steps=1)
    nats = self.results('factorized')
    self.assertAllClose(
        nats['nats'] - nats['nats_above_entropy'],
        full_rank.full_rank(3, 3, seed=1).entropy(),
    )

  @parameterized.parameters(
      ({'models': []}, "received ''"),
      ({'models': ['factorised']}, "received 'factorised'"),
      ({'models': ['factorized', 'autoregressive+0xbipartite']}, 'COUNTxFLOW'),
      ({'temperature_schedule': '0'}, 'schedule of positive values'),
      ({'learning_rate': 'fast'}, "received 'fast'"),
      (
          {'learning_rate': 'cosine:initial=1,final=0,num_steps=3'},
          'Expected --num_steps of at most 3',
      ),
      (
          {'models': ['factorized', 'factorized+rows2_autoregressive']},
          'rows that divides the length, 3; received 2',
      ),
      (
          {
              'models': ['factorized', 'factorized+autoregressive'],
              'with_scale': True,
              'gradient': 'cross_entropy',
          },
          'Expected a flow of shifts alone',
      ),
      ({'output_dir': '/dev/null/run'}, 'directory that can be written'),
  )
  def test_bad_flags(self, flag_values, message):
    stderr = self.run_failing(discrete_flow_full_rank, **flag_values)
    self.assertIn(message, stderr)
    self.assertFalse(self.output_dir.exists())

  def test_a_directory_of_another_config(self):
    self.run_main(models=['factorized'], num_steps=1)
    stderr = self.run_failing(
        discrete_flow_full_rank, models=['factorized'], length=2
    )
    self.assertIn('data: expected {"length": 3, ', stderr)
    self.assertIn('received {"length": 2, ', stderr)


if __name__ == '__main__':
  absltest.main()
