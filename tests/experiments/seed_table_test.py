import contextlib
import io
import os
import pathlib
from unittest import mock

import tensorflow as tf

from experiments import delta_vae_table
from experiments import flow_text_report
from experiments import seed_table

ROWS = {
    'none': [{'committed_rate': 0.0, 'rate': 0.0, 'elbo': -80.0}],
    'delta:5': [
        {
            'committed_rate': 5.0,
            'rate': 5.5,
            'elbo': -85.0,
            'auxiliary_elbo': -80.5,
        },
        {
            'committed_rate': 5.0,
            'rate': 6.5,
            'elbo': -86.0,
            'auxiliary_elbo': -81.5,
        },
    ],
}


class SeedTableTest(tf.test.TestCase):

  def test_mean_and_range_over_seeds(self):
    headings, cells = seed_table.rows_of(
        ROWS, delta_vae_table.COLUMNS, 'method'
    )
    self.assertEqual(
        headings, ['method', 'committed', 'rate', 'bound', 'auxiliary bound']
    )
    self.assertEqual(cells[0], ['none', '0.00', '0.000', '80.00', ''])
    self.assertEqual(
        cells[1],
        [
            'delta:5',
            '5.00',
            '6.000 (5.500 to 6.500)',
            '85.50 (85.00 to 86.00)',
            '81.00 (80.50 to 81.50)',
        ],
    )

  def test_no_mean_over_some_of_the_seeds(self):
    columns = (('elbo', 'bound', -1, 2), ('ms', 'ms', 1, 0))
    rows = {'a': [{'elbo': -1.0, 'ms': 5.0}, {'elbo': -1.0}]}
    _, cells = seed_table.rows_of(rows, columns, 'estimator')
    self.assertEqual(cells, [['a', '1.00', '']])

  def test_no_number_is_cut_in_a_log_file(self):
    columns = [(f'm{i}', f'measure {i}', 1, 2) for i in range(5)]
    rows = {
        'straight_through_gumbel_softmax': [
            {key: 123.45 + seed for key, *_ in columns} for seed in range(2)
        ]
    }
    with (
        mock.patch.dict(os.environ, {'COLUMNS': '80'}),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
    ):
      seed_table.print_table('title', rows, columns, 'estimator', 'caption')
    (row,) = (x for x in stdout.getvalue().splitlines() if 'straight' in x)
    self.assertEqual(row.count('123.95 (123.45 to 124.45)'), len(columns))

  def test_no_number_of_texts_is_cut_in_a_log_file(self):
    found = {key: 123.45 for key, *_ in flow_text_report._COLUMNS}
    rows = {'autoregressive+3xautoregressive_sorting': [found] * 3}
    directory = pathlib.Path(self.get_temp_dir())
    with (
        mock.patch.dict(os.environ, {'COLUMNS': '80'}),
        mock.patch.object(flow_text_report, 'draw_speed'),
        mock.patch.object(flow_text_report, 'draw_training'),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
    ):
      flow_text_report.report(directory, 'title', rows, {})
    printed = stdout.getvalue()
    (row,) = (x for x in printed.splitlines() if 'autoregressive+3x' in x)
    self.assertEqual(row.count('123.450'), 10)


if __name__ == '__main__':
  tf.test.main()
