import json

from absl.testing import flagsaver
import numpy as np
import pytest
import tensorflow as tf

from experiments import discrete_flow_text
from experiments import flow_models
from experiments import flow_text_evaluation
from experiments import text
from tests.experiments import flow_binary

_OPTIONS = flow_models.Options(
    causal_network='made',
    bipartite_network='dense',
    units=8,
    masks='alternating',
    with_scale=False,
    gradient='softmax',
    temperature=1.0,
)


def _model(name, length=8):
  model = flow_models.build_model(name, length, 27, _OPTIONS, seed=0)
  model.log_prob(np.zeros([1, length], np.int32))
  logits = np.random.default_rng(0).normal(size=[length, 27])
  if model.base is None:
    model.base_logits.assign(logits)
  return model


class DiscreteFlowTextTest(flow_binary.FlowTextTestCase):

  def test_runs(self):
    placed = 'factorized+forward_placed_autoregressive_sorting'
    names = ['factorized', placed]
    flags = {'text_file': self.text_file, 'models': names}
    printed = self.run_main(discrete_flow_text, **flags)
    self.assertRegex(printed, r'alphabet *│ *4\.755')
    for name in names:
      found = self.results(name)
      self.assertBetween(found['bits'], 1.5, 6)
    for key in ('seconds_per_thousand_uncached', 'cpu_seconds', 'network_bits'):
      self.assertGreater(found[key], 0)
    for name in ('speed.png', 'training.png'):
      self.assertGreater(np.std(self.picture(name)), 5)
    self.assertIn(f'| {placed}', (self.output_dir / 'results.md').read_text())
    samples = (self.output_dir / 'factorized/seed_0/samples.txt').read_text()
    lines = [line for line in samples.split('\n') if len(line) == 8]
    # Of the prefix, which a model without flows takes as it is.
    self.assertGreaterEqual(sum(line[:5] == 'it is' for line in lines), 5)
    begin = (self.output_dir / placed / 'seed_0/results.json').read_text()
    self.run_main(discrete_flow_text, **flags)
    again = (self.output_dir / placed / 'seed_0/results.json').read_text()
    self.assertEqual(begin, again)

    # Another prefix has other samples, of the same model.
    path = self.output_dir / 'factorized/seed_0'
    flags['models'] = ['factorized']
    self.run_main(discrete_flow_text, **flags, prefix='eat')
    self.assertNotEqual((path / 'samples.txt').read_text(), samples)
    found = json.loads((path / 'results.json').read_text())
    self.assertEqual((found['prefix'], found['num_generated']), ('eat', 2))
    self.assertNotIn('cpu_seconds', found)
    # The base is fitted before each evaluation.
    error = self.run_failing(discrete_flow_text, **flags, eval_every=1)
    self.assertIn('eval_every: expected 2, received 1', error)

  def test_bad_flags(self):
    for flags, message in (
        ({'models': ['factorized+flow']}, 'Expected a model'),
        ({'prefix': 'It'}, "'I'"),
        ({'length': 100_000}, 'Expected a `length`'),
        (
            {'models': ['factorized+rows3_autoregressive']},
            'rows that divides the length, 8; received 3',
        ),
    ):
      line = self.run_failing(
          discrete_flow_text, **{'text_file': self.text_file, **flags}
      )
      self.assertIn(message, line)
    with flagsaver.as_parsed(num_events='9'):
      line = self.run_failing(discrete_flow_text, text_file=self.text_file)
    self.assertIn('received --num_events, which it does not', line)


class FlowTextEvaluationTest(tf.test.TestCase):

  def test_bits(self):
    model = _model('factorized')
    codes = np.random.default_rng(1).integers(27, size=[70, 8])
    found = flow_text_evaluation.bits(model, codes)
    nats = -model.log_prob(codes).numpy() / 8 / np.log(2)
    self.assertAllClose(found['bits'], nats.mean())
    self.assertAllClose(found['bits_stderr'], nats.std(ddof=1) / np.sqrt(70))
    one = flow_text_evaluation.bits(model, codes[:1])
    self.assertAllClose(one['bits'], nats[0])
    self.assertTrue(np.isnan(one['bits_stderr']))
    self.assertNotIn('network_bits', found)

  def test_network_bits_are_those_of_the_predictions(self):
    codes = np.random.default_rng(1).integers(27, size=[9, 8])
    for name in (
        'factorized+forward_predicted_autoregressive',
        'factorized+forward_placed_autoregressive_sorting',
    ):
      model = _model(name)
      found = flow_text_evaluation.bits(model, codes)
      network = model.flows[0].conditioner
      log_probs = tf.nn.log_softmax(network(tf.one_hot(codes, 27)))
      nats = -tf.reduce_sum(log_probs * tf.one_hot(codes, 27)) / 72
      self.assertAllClose(found['network_bits'], nats / np.log(2))
    # Before the first character all are equal.
    order = np.argsort(-log_probs.numpy(), axis=-1, kind='stable')
    ranks = np.argmax(order == codes[..., np.newaxis], axis=-1)
    shifts = (codes - np.argmax(log_probs, -1)) % 27
    for key, values in (('rank_bits', ranks), ('shift_bits', shifts)):
      shares = np.bincount(values.ravel()) / values.size
      expected = -np.sum(shares * np.log2(np.maximum(shares, 1e-9)))
      self.assertAllClose(found[key], expected)
    model = _model('factorized+multiscale_sorting')
    found = flow_text_evaluation.bits(model, codes)
    # All but the first character are predicted.
    total = -tf.nn.log_softmax(model.base_logits.value)[0].numpy()[codes[:, 0]]
    x = tf.one_hot(codes, 27)
    for flow in model.flows:
      total += flow(x, return_cross_entropy=True)[1]
    self.assertAllClose(
        found['network_bits'], np.mean(total) / 8 / np.log(2), rtol=1e-5
    )
    for name in ('factorized+2xsorting', 'made+multiscale_sorting'):
      self.assertNotIn(
          'network_bits', flow_text_evaluation.bits(_model(name), codes)
      )

  @pytest.mark.slow
  def test_continues_a_prefix(self):
    prefix = text.encode('a cat')
    for name, given in (
        ('made', True),
        ('factorized+forward_autoregressive', True),
        ('factorized+forward_placed_autoregressive_sorting', True),
        (
            'factorized+forward_placed_autoregressive_sorting'
            '+forward_autoregressive',
            True,
        ),
        (
            'factorized+forward_autoregressive'
            '+forward_placed_autoregressive_sorting',
            False,
        ),
        ('factorized+reversed_autoregressive', False),
    ):
      found = flow_text_evaluation.continuations(
          _model(name), prefix, 6, seed=[0, 1]
      )
      if not given:
        self.assertIsNone(found)
        continue
      self.assertAllEqual(found[:, :5], np.tile(prefix, [6, 1]))
      self.assertGreater(len(np.unique(found[:, 5:], axis=0)), 3)

  def test_continuations_have_the_law_of_the_model(self):
    # The class after the prefix is drawn from its law given the prefix.
    for name in (
        'made',
        'factorized+forward_autoregressive',
        'factorized+forward_placed_autoregressive_sorting',
    ):
      model = _model(name, length=2)
      pairs = np.stack([np.full(27, 3), np.arange(27)], -1).astype(np.int32)
      law = tf.nn.softmax(model.log_prob(pairs))
      found = flow_text_evaluation.continuations(
          model, np.array([3]), 20_000, seed=[0, 1]
      )
      shares = np.bincount(found[:, 1], minlength=27) / 20_000
      # Five standard deviations.
      bound = 5 * np.sqrt(law * (1 - law) / 20_000)
      self.assertAllLess(np.abs(shares - law) - bound, 0)


if __name__ == '__main__':
  tf.test.main()
