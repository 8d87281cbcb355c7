import json
from unittest import mock

from absl.testing import absltest
import numpy as np
import pytest

from experiments import discrete_flow_reordering as binary_under_test
from experiments import discrete_flow_text
from tests.experiments import flow_binary


class DiscreteFlowReorderingTest(flow_binary.FlowTextTestCase):

  def _train(self, models):
    self.run_main(discrete_flow_text, text_file=self.text_file, models=models)

  def test_runs_and_wants_models_of_one_text(self):
    self.enter_context(mock.patch.object(binary_under_test, '_ORDER', 2))
    self._train(['made', 'lstm'])
    printed = self.run_main(
        binary_under_test, text_file=self.text_file, reordered=['made', 'lstm']
    )
    figures = r' *│ *'.join([r'(\d\.\d{3})'] * 4)
    self.assertRegex(printed, rf'made *│ lstm *│ *{figures}')
    self.assertRegex(printed, rf'lstm *│ 2-gram *│ *{figures}')

    path = self.output_dir / 'lstm' / 'seed_0' / 'config.json'
    config = json.loads(path.read_text())
    config['data']['sha256']['train'] = 'other'
    path.write_text(json.dumps(config))
    message = self.run_failing(
        binary_under_test, text_file=self.text_file, reordered=['made', 'lstm']
    )
    self.assertIn('models of one text; received', message)

  def test_wants_models_without_flows(self):
    self._train(['factorized'])
    message = self.run_failing(
        binary_under_test, text_file=self.text_file, reordered=['factorized']
    )
    self.assertIn("without flows; received 'factorized'", message)

  def test_wants_models(self):
    message = self.run_failing(
        binary_under_test, text_file=self.text_file, reordered=[]
    )
    self.assertIn('names of models in --reordered; received none', message)

  @pytest.mark.slow
  def test_wants_models_of_one_length(self):
    self._train(['made'])
    self.run_main(
        discrete_flow_text,
        text_file=self.text_file,
        models=['lstm'],
        length=6,
    )
    message = self.run_failing(
        binary_under_test, text_file=self.text_file, reordered=['made', 'lstm']
    )
    self.assertIn('models of one length; received', message)
    windows = binary_under_test.text_lib.windows
    with mock.patch.object(
        binary_under_test.text_lib,
        'windows',
        lambda *args: windows(*args)[:1],
    ):
      message = self.run_failing(
          binary_under_test, text_file=self.text_file, reordered=['made']
      )
    self.assertIn('at least two examples of 8 characters; received', message)

  def test_compares_by_hand(self):
    probs = np.array([[[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]])
    by = np.array([[[0.1, 0.2, 0.7], [0.125, 0.5, 0.375]]])
    codes = np.array([[2, 1]])
    found = binary_under_test.compare(probs, by, codes)
    self.assertAlmostEqual(found['base'], (2 + 1) / 2)
    # The first one is likeliest by the other, and gets the base's one half.
    self.assertAlmostEqual(found['reordered'], (1 + 1) / 2)
    self.assertAlmostEqual(found['mixed'], (1 - np.log2(0.475)) / 2)
    self.assertTrue(np.isnan(found['error']))
    # Of two that are the same; then reordered the second pays half a bit a
    # character more, and the first as much less.
    probs, by, codes = (np.repeat(x, 2, axis=0) for x in (probs, by, codes))
    found = binary_under_test.compare(probs, by, codes)
    self.assertEqual(found['error'], 0.0)
    codes[1, 0] = 0
    found = binary_under_test.compare(probs, by, codes)
    self.assertAlmostEqual(
        found['error'], np.std([-0.5, 0.5], ddof=1) / np.sqrt(2)
    )
    same = binary_under_test.reorder(probs, probs)
    np.testing.assert_allclose(same, probs)

  def test_reordered_pays_what_the_flow_pays(self):
    # By the truth, an order is the best of all that there are.
    rng = np.random.default_rng(0)
    probs, truth = rng.dirichlet(np.ones(4), size=(2, 50, 1))
    weights = truth / 50

    def bits(probs):
      return -(weights * np.log2(probs)).sum()

    best = bits(binary_under_test.reorder(probs, truth))
    for order in rng.random(size=(100, 50, 1, 4)):
      self.assertGreaterEqual(
          bits(binary_under_test.reorder(probs, order)), best
      )


if __name__ == '__main__':
  absltest.main()
