import json
import os
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import flagsaver
from absl.testing import parameterized
import numpy as np

from experiments import sweep
from experiments import sweep_table
from tests.experiments import binary

_ROOT = pathlib.Path(__file__).parents[2]


class SweepTest(binary.BinaryTestCase, parameterized.TestCase):

  tiny = {
      'binary': 'tests.experiments.sweep_binary',
      'grid': ['bias yes no', 'ridge 1 100', 'seed 0 1'],
      'fixed': '',
      'tune': ['ridge'],
      'select': 'val_accuracy',
      'report': ['test.accuracy'],
      'decimals': 3,
      'num_processes': 2,
  }

  def setUp(self):
    super().setUp()
    path = mock.patch.dict(os.environ, {'PYTHONPATH': str(_ROOT)})
    self.enter_context(path)

  def calls(self):
    """Returns how often each run was done, by its directory."""
    return {
        str(path.parent.relative_to(self.output_dir)): len(path.read_text())
        for path in self.output_dir.glob('**/calls')
    }

  def test_chooses_on_validation_reports_on_test_and_resumes(self):
    self.run_main(sweep)
    self.assertLen(self.calls(), 8)
    text = (self.output_dir / 'results.md').read_text()
    rows = [line.split(' | ') for line in text.splitlines() if '|' in line]
    self.assertEqual(
        rows[0],
        [
            '| bias',
            'ridge',
            'val_accuracy',
            'test.accuracy',
            'runs',
            'failed |',
        ],
    )
    for bias, row in zip(('yes', 'no'), rows[2:], strict=True):
      means = {}
      for ridge in ('1', '100'):
        runs = [
            self.output_dir / f'bias_{bias}/ridge_{ridge}/seed_{seed}'
            for seed in (0, 1)
        ]
        last = [
            json.loads((d / 'metrics.jsonl').read_text().splitlines()[-1])
            for d in runs
        ]
        test = [
            json.loads((d / 'results.json').read_text())['test']['accuracy']
            for d in runs
        ]
        validation = np.mean([r['val_accuracy'] for r in last])
        means[ridge] = (validation, f'{np.mean(test):.3f}')
      best = max(means, key=lambda ridge: means[ridge][0])
      self.assertEqual(row[:2], [f'| {bias}', best])
      self.assertStartsWith(row[3], means[best][1])
    self.assertGreater(np.std(self.picture('sweep.png')), 5)

    # Nothing again, and then what is new alone.
    self.run_main(sweep)
    self.assertEqual(set(self.calls().values()), {1})
    printed = self.run_main(sweep, grid=['bias no', 'ridge 1 10', 'seed 0 1'])
    self.assertIn('2 runs are there, 2 to do', printed)
    self.assertLen(self.calls(), 10)
    # What changes a command, runs it again.
    self.run_main(sweep, grid=['ridge 1', 'bias no'], fixed='--seed=3')
    self.run_main(sweep, grid=['ridge 1', 'bias no'], fixed='--seed=4')
    self.assertEqual(self.calls()['ridge_1/bias_no'], 2)

  def test_flags_that_no_run_would_get(self):
    with flagsaver.as_parsed(num_steps='3', seed='1'):
      error = self.run_failing(sweep)
    self.assertIn('received --seed, --num_steps, which it does not', error)
    self.assertFalse(self.output_dir.exists())

  def test_a_file_for_a_directory(self):
    self.output_dir.parent.mkdir(parents=True, exist_ok=True)
    self.output_dir.write_text('')
    error = self.run_failing(sweep)
    self.assertIn(f'received the file {self.output_dir}', error)

  def test_a_failure_is_reported_and_tried_again(self):
    flag_values = {'grid': ['ridge 1 -1'], 'tune': []}
    log = self.output_dir / 'ridge_-1/sweep.log'
    for _ in range(2):
      with self.assertRaises(SystemExit) as exit_error:
        self.run_main(sweep, **flag_values)
      self.assertEqual(exit_error.exception.code, 1)
      self.assertIn('Expected a ridge', log.read_text())
      log.write_text('of the first time')
    text = (self.output_dir / 'results.md').read_text()
    self.assertIn(
        'ridge_-1 failed with status 3: Error: Expected a ridge', text
    )
    self.assertIn('| -1 |  |  | 1 | 1 |', text)
    self.assertIn(' | 1 | 0 |', text)
    # The one that succeeded stays.
    self.assertEqual(self.calls(), {'ridge_1': 1})

  @parameterized.parameters(
      ({'binary': None}, 'module in --binary'),
      ({'grid': ['ridge']}, "received 'ridge'"),
      ({'grid': ['ridge 1 1']}, "received 'ridge 1 1'"),
      ({'tune': ['width']}, "received ['width']"),
      ({'tune': ['seed']}, "received ['seed']"),
      ({'grid': ['ridge 1:0 1=0'], 'tune': []}, 'more than punctuation'),
  )
  def test_bad_flags(self, flag_values, message):
    self.assertIn(message, self.run_failing(sweep, **flag_values))

  def test_unknown_metrics_are_named(self):
    error = self.run_failing(
        sweep, grid=['ridge 1'], tune=[], report=['test.error']
    )
    self.assertIn("'test.error'", error)
    self.assertIn('test.accuracy', error)


class MetricTest(absltest.TestCase):

  def test_results_below_the_directory(self):
    run_dir = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory()))
    for seed, value in ((0, 3.0), (1, 4.0)):
      below = run_dir / 'none' / f'seed_{seed}'
      below.mkdir(parents=True)
      (below / 'results.json').write_text(json.dumps({'elbo': value}))
      (below / 'metrics.jsonl').write_text(json.dumps({'val_elbo': -value}))
      if not seed:
        self.assertEqual(sweep_table.metric(run_dir, 'elbo'), 3.0)
        self.assertEqual(sweep_table.metric(run_dir, 'val_elbo'), -3.0)
    with self.assertRaisesRegex(ValueError, 'received those of 2, such as'):
      sweep_table.metric(run_dir, 'elbo')
    # What is at the top goes before.
    (run_dir / 'results.json').write_text(json.dumps({'elbo': 5.0}))
    self.assertEqual(sweep_table.metric(run_dir, 'elbo'), 5.0)


class ChooseTest(absltest.TestCase):

  def run_of(self, lr, seed, selection, estimator='a'):
    point = {'estimator': estimator, 'lr': lr, 'seed': seed}
    reported = [] if selection is None else [2 * selection]
    return sweep_table.Run(point, selection, reported)

  def test_the_best_mean_of_whole_candidates_wins(self):
    runs = [
        # No number: first, where every comparison with it fails.
        self.run_of('4', '0', 9.0),
        self.run_of('4', '1', float('nan')),
        self.run_of('1', '0', 5.0),
        self.run_of('1', '1', 1.0),
        self.run_of('2', '0', 4.0),
        self.run_of('2', '1', 3.0),
        # Better, but for a run that failed.
        self.run_of('3', '0', 9.0),
        self.run_of('3', '1', None),
        self.run_of('1', '0', None, estimator='b'),
    ]
    a, b = sweep_table.choose(runs, ['estimator'], ['lr'], maximize=True)
    self.assertEqual((a.row, a.tuned), (('a',), ('2',)))
    self.assertEqual([run.reported for run in a.runs], [[8.0], [6.0]])
    self.assertEqual((a.num_failed, a.num_runs), (1, 8))
    self.assertIsNone(b.tuned)
    a, _ = sweep_table.choose(runs, ['estimator'], ['lr'], maximize=False)
    self.assertEqual(a.tuned, ('1',))
    _, cells = sweep_table.cells(
        [a, b], ['estimator'], ['lr'], 'val', ['test'], decimals=1
    )
    self.assertEqual(
        cells,
        [
            ['a', '1', '3.0 (1.0 to 5.0)', '6.0 (2.0 to 10.0)', '8', '1'],
            ['b', '', '', '', '1', '1'],
        ],
    )


if __name__ == '__main__':
  absltest.main()
