import contextlib
import io
import os
from unittest import mock

from absl.testing import absltest

from experiments import flow_table


class FlowTableTest(absltest.TestCase):

  def test_spread_over_seeds_and_share_of_the_gap(self):
    def run(above, **extra):
      return {
          'nats_above_entropy': above,
          'seconds': 60 * above,
          'step': 4000,
          **extra,
      }

    stdout = io.StringIO()
    wide = mock.patch.dict(os.environ, {'COLUMNS': '200'})
    with wide, contextlib.redirect_stdout(stdout):
      flow_table.print_table(
          'A title',
          {'exact entropy': 2.0, 'best factorised': 3.0, 'floor': 2.5},
          {
              'flow': [run(0.1), run(0.2), run(0.6)],
              'base': [run(1.001, nats_above_entropy_stderr=0.01)] * 3,
          },
      )
    lines = [
        [cell.strip() for cell in line.split('│')[1:-1]]
        for line in stdout.getvalue().splitlines()
        if line.startswith('│')
    ]
    self.assertEqual(
        [[cell for cell in line if cell] for line in lines],
        [
            ['exact entropy', '2.000', '0.000'],
            ['best factorised', '3.000', '1.000'],
            ['floor', '2.500', '0.500'],
            ['flow', '2.300', '0.300', '0.100', '0.600', 'exact', '70%'],
            ['base', '3.001', '1.001', '1.001', '1.001', '0.010', '0%'],
        ],
    )
    self.assertIn('of 3 seeds', stdout.getvalue())
    self.assertIn('4,000 steps, 6 to 60 seconds a run', stdout.getvalue())

  def test_no_gap_to_close(self):
    run = {'nats_above_entropy': 0.1, 'seconds': 1.0, 'step': 1}
    for factorized in (2.0, 2.0 + 1e-12, 2.0 - 1e-12):
      stdout = io.StringIO()
      with contextlib.redirect_stdout(stdout):
        flow_table.print_table(
            'A title', {'exact': 2.0, 'best': factorized}, {'flow': [run]}
        )
      self.assertNotIn('%', stdout.getvalue())

  def test_no_seconds_where_a_run_was_resumed(self):
    run = {'nats_above_entropy': 0.1, 'step': 7}
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
      flow_table.print_table(
          'A title',
          {'exact': 2.0, 'best': 3.0},
          {'flow': [run, {**run, 'seconds': 1.0}]},
      )
    self.assertIn('7 steps', stdout.getvalue())
    self.assertNotIn('seconds', stdout.getvalue())


if __name__ == '__main__':
  absltest.main()
