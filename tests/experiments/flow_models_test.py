import re

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

from experiments import flow_models

_OPTIONS = flow_models.Options(
    causal_network='made',
    bipartite_network='dense',
    units=16,
    masks='all_but_one',
    with_scale=False,
    gradient='softmax',
    temperature=0.5,
)


class FlowModelsTest(tf.test.TestCase, parameterized.TestCase):

  def build(self, name, seed=0, **options):
    return flow_models.build_model(
        name, 3, 4, _OPTIONS._replace(**options), seed
    )

  @parameterized.parameters(
      ('factorized', ('factorized', [])),
      (
          'autoregressive+autoregressive',
          ('autoregressive', ['autoregressive']),
      ),
      (
          'factorized+2xbipartite+12xsorting',
          ('factorized', ['bipartite'] * 2 + ['sorting'] * 12),
      ),
      (
          'lstm+2xrows4_scaled_autoregressive+placed_autoregressive_sorting',
          (
              'lstm',
              ['rows4_scaled_autoregressive'] * 2
              + ['placed_autoregressive_sorting'],
          ),
      ),
  )
  def test_reads_names(self, name, expected):
    self.assertEqual(flow_models.parse(name), expected)

  @parameterized.parameters(
      '',
      'bipartite',
      'factorized+',
      'factorized+0xbipartite',
      'factorized+x bipartite',
      'factorized+2 bipartite',
      'factorized+coupling',
      'Factorized',
      'factorized+rows0_autoregressive',
      'factorized+autoregressive_scaled',
      'dense+bipartite',
      'factorized+multiscale_autoregressive',
      'factorized+placed_autoregressive',
      'factorized+scaled_autoregressive_sorting',
      'factorized+placed_bipartite',
      'factorized+rows2_bipartite',
      'factorized+forward_bipartite',
      'factorized+scaled_sorting',
      'factorized+2xpredicted_sorting',
      'factorized+forward_reversed_autoregressive',
      'factorized+scaled_scaled_bipartite',
      'factorized+rows2_rows3_autoregressive',
  )
  def test_bad_names(self, name):
    with self.assertRaisesRegex(
        ValueError, f'Expected a model.*{re.escape(repr(name))}'
    ):
      flow_models.parse(name)

  @parameterized.parameters(
      ('autoregressive+2xautoregressive', {'causal_network': 'table'}),
      ('autoregressive+autoregressive', {'causal_network': 'made'}),
      ('autoregressive+autoregressive', {'causal_network': 'lstm'}),
      ('autoregressive+autoregressive', {'causal_network': 'convolution'}),
      ('autoregressive+autoregressive', {'causal_network': 'transformer'}),
      ('factorized+3xbipartite', {'bipartite_network': 'table'}),
      ('factorized+2xbipartite', {'masks': 'alternating', 'with_scale': True}),
      ('factorized+bipartite', {'bipartite_network': 'transformer'}),
      ('factorized+bipartite', {'bipartite_network': 'convolution'}),
      ('factorized+2xsorting', {'bipartite_network': 'table'}),
      ('factorized+sorting+bipartite+autoregressive', {'gradient': 'reinmax'}),
      ('convolution+scaled_bipartite', {}),
      ('factorized+placed_autoregressive_sorting+scaled_autoregressive', {}),
      ('factorized+rows3_forward_autoregressive', {}),
      ('factorized+rows1_reversed_placed_autoregressive_sorting', {}),
      ('factorized+multiscale_scaled_bipartite', {}),
      ('convolution+reversed_predicted_autoregressive', {}),
      ('factorized+multiscale_predicted_bipartite', {}),
      ('factorized+multiscale_placed_sorting', {}),
  )
  def test_every_part_makes_a_distribution_that_trains(self, name, options):
    model = self.build(name, **options)
    codes = np.array(list(np.ndindex(4, 4, 4)), np.int32)
    with tf.GradientTape() as tape:
      terms = model.loss_terms(codes, seed=[0, 1])
      loss = tf.reduce_sum(tf.add_n(list(terms.values())))
    gradients = tape.gradient(loss, model.trainable_variables)
    self.assertNotIn(None, gradients)
    total = tf.reduce_sum(tf.exp(model.log_prob(codes)))
    self.assertAllClose(total, 1.0, atol=1e-5)

  def test_autoregressive_flows_alternate_from_right_to_left(self):
    # The flow next to the base sees what is on the right of a position.
    for name, moved in (
        ('factorized+autoregressive', 0),
        ('factorized+2xautoregressive', 2),
    ):
      model = self.build(name, seed=3)
      codes = np.array(list(np.ndindex(4, 4, 4)), np.int32)
      model.log_prob(codes)
      z = tf.one_hot(codes, 4)
      first = model.flows[: 3 if moved == 0 else 1]
      for flow in first:
        z = flow(z)
      z = np.argmax(z, axis=-1)
      # The position that nothing precedes is shifted alike everywhere.
      shifts = (z - codes) % 4
      end = 2 if moved == 0 else 0
      self.assertLen(np.unique(shifts[:, end]), 1)
      self.assertGreater(len(np.unique(shifts[:, 2 - end])), 1)

  def test_forward_and_reversed_say_the_way(self):
    codes = np.array(list(np.ndindex(4, 4, 4)), np.int32)
    for name, end in (('forward', 0), ('reversed', 2)):
      model = self.build(f'factorized+{name}_autoregressive', seed=3)
      model.log_prob(codes)
      z = tf.one_hot(codes, 4)
      for flow in model.flows:
        z = flow(z)
      shifts = (np.argmax(z, axis=-1) - codes) % 4
      self.assertLen(np.unique(shifts[:, end]), 1)
      self.assertGreater(len(np.unique(shifts[:, 2 - end])), 1)

  def test_multiscale_halves_the_distance(self):
    model = flow_models.build_model(
        'factorized+multiscale_placed_sorting', 40, 4, _OPTIONS, 0
    )
    changed = [f.positions[~f.flow.mask].tolist() for f in model.flows]
    self.assertEqual(
        changed,
        [
            list(range(1, 40, 2)),
            list(range(2, 40, 4)),
            list(range(4, 40, 8)),
            list(range(8, 40, 16)),
        ],
    )
    self.assertTrue(all(f.flow.sorts_positions for f in model.flows))

  def test_rows_are_parts_of_one_length(self):
    build = flow_models.build_model
    model = build('factorized+rows2_forward_autoregressive', 6, 4, _OPTIONS, 0)
    self.assertAllEqual(model.flows[0].positions, [[0, 1, 2], [3, 4, 5]])
    with self.assertRaisesRegex(
        ValueError, 'divides the length, 6; received 4'
    ):
      build('factorized+rows4_autoregressive', 6, 4, _OPTIONS, 0)

  def test_predicted_flows_shift_alone(self):
    for name, options in (
        ('factorized+scaled_predicted_bipartite', {}),
        ('factorized+predicted_autoregressive', {'with_scale': True}),
        ('factorized+scaled_bipartite', {'gradient': 'cross_entropy'}),
    ):
      with self.assertRaisesRegex(ValueError, 'shifts alone.* with a scale'):
        self.build(name, **options)
    model = self.build('factorized+predicted_bipartite')
    self.assertEqual(model.flows[0].gradient, 'cross_entropy')

  @parameterized.parameters(
      ('all_but_one', ([0], [1], [2], [0])),
      ('alternating', ([1], [0, 2], [1], [0, 2])),
  )
  def test_masks_take_turns(self, masks, changed):
    model = self.build('factorized+4xbipartite', masks=masks)
    self.assertAllEqual(
        [np.flatnonzero(~flow.mask).tolist() for flow in model.flows[::-1]],
        changed,
    )

  @pytest.mark.slow
  def test_seed_is_that_of_the_weights(self):
    codes = np.array(list(np.ndindex(4, 4, 4)), np.int32)
    for network in ('table', 'dense', 'convolution'):
      a, b, c = (
          self.build(
              'autoregressive+2xbipartite', seed, bipartite_network=network
          ).log_prob(codes)
          for seed in (0, 0, 1)
      )
      self.assertAllEqual(a, b)
      self.assertNotAllClose(a, c)

  def test_lists_temperatures(self):
    model = self.build(
        'factorized+2xbipartite+autoregressive+rows3_autoregressive+sorting'
    )
    self.assertAllClose(flow_models.temperatures(model), [0.5] * 4)


if __name__ == '__main__':
  absltest.main()
