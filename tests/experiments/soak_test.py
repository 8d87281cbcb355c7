"""Every binary under every strategy, for 200 steps in processes of its own."""

import json
import math

from absl.testing import absltest
from absl.testing import parameterized
import pytest

from experiments import discrete_flow_floors
from experiments import discrete_flow_reordering
from experiments import discrete_flow_shift_gradients
from experiments import estimator_variance
from experiments import evaluate
from experiments import export
from tests.experiments import binary
from tests.experiments import launched_binary

_NUM_STEPS = 200
_COMMON = ('--num_steps=200', '--eval_every=100')
_FLOW = (
    '--batch_size=8',
    '--causal_network=made',
    '--bipartite_network=dense',
    '--num_events=50',
    '--units=16',
    '--models=factorized+autoregressive',
)
_FLOW_RUN = 'factorized+autoregressive/seed_0'
_DELTA_VAE = (
    '--methods=delta:2',
    '--batch_size=4',
    '--latent_dim=2',
    '--num_components=2',
    '--num_importance_samples=2',
    '--decoder_layers=1',
    '--num_test=20',
    '--units=8',
)
# The flags of a tiny model, and the directory of its run.
_BINARIES = {
    'delta_vae_image': (_DELTA_VAE, 'delta_2/seed_0'),
    'delta_vae_text': (
        (*_DELTA_VAE, '--length=16', '--block_length=4'),
        'delta_2/seed_0',
    ),
    'discrete_flow_addition': (
        # Of these networks only some see the summands.
        (*_FLOW, '--length=3', '--causal_network=convolution'),
        _FLOW_RUN,
    ),
    'discrete_flow_full_rank': (
        (*_FLOW, '--length=2', '--num_classes=3'),
        _FLOW_RUN,
    ),
    'discrete_flow_potts': (
        (*_FLOW, '--side=2', '--num_classes=2'),
        _FLOW_RUN,
    ),
    'discrete_flow_quantized_mixture': (
        _FLOW,
        _FLOW_RUN,
    ),
    'discrete_flow_text': (
        (*_FLOW, '--length=8', '--num_generated=2'),
        _FLOW_RUN,
    ),
    'estimator_vae': (
        (
            '--networks=3x2',
            '--estimators=reinmax',
            '--num_importance_samples=2',
        ),
        '3x2/reinmax/seed_0',
    ),
    'gumbel_softmax_semisupervised': (
        (
            '--network=mlp',
            '--units=8',
            '--style_dim=2',
            '--num_labels=20',
            '--labeled_batch_size=10',
            '--batch_size=20',
            '--inferences=gumbel_softmax',
            '--num_importance_samples=2',
        ),
        'gumbel_softmax/alpha_1/seed_0',
    ),
    'gumbel_softmax_structured': (
        (
            '--num_latents=3',
            '--num_classes=4',
            '--batch_size=20',
            '--num_importance_samples=2',
        ),
        '.',
    ),
    'gumbel_softmax_vae': (
        (
            '--num_latents=3',
            '--num_classes=4',
            '--decoder_units=16',
            '--batch_size=20',
            '--num_importance_samples=2',
        ),
        '.',
    ),
    'mutual_information': (
        (
            '--bounds=info_nce',
            '--tasks=gaussian',
            '--informations=1,2',
            '--interpolations=0,1',
            '--dim=2',
            '--units=8',
            '--batch_size=16',
            '--num_batches=50',
        ),
        'gaussian_info_nce/seed_0',
    ),
}
_TEXTS = ('delta_vae_text', 'discrete_flow_text')


class SoakTest(launched_binary.LaunchedBinaryTestCase):

  # Up to a minute each, most of which TensorFlow takes to start.
  @parameterized.named_parameters(
      (f'_{name}_{strategy}', name, strategy)
      for name in _BINARIES
      for strategy in launched_binary.STRATEGIES
  )
  @pytest.mark.slow
  def test_trains(self, name, strategy):
    flags, run = _BINARIES[name]
    if name in _TEXTS:
      text_file = binary.write_text(self.directory / 'text', size=8000)
      flags = (*flags, f'--text_file={text_file}')
    status, log = self.run_binary(name, strategy, *_COMMON, *flags)
    self.assertEqual(status, 0, log)
    self.assertNotIn('Traceback', log)
    run_dir = self.directory / 'run' / run
    lines = (run_dir / 'metrics.jsonl').read_text().splitlines()
    last = json.loads(lines[-1])
    self.assertEqual(last['step'], _NUM_STEPS)
    for key, value in last.items():
      self.assertTrue(math.isfinite(value), f'{key}: {value}')
    found = json.loads((run_dir / 'results.json').read_text())
    if 'stairs' in found:
      self.assertLen(found['stairs'], 2)
    else:
      self.assertEqual(found['step'], _NUM_STEPS)

  @parameterized.parameters(
      ('--jit', 'Leave it out, or use the strategy'),
      ('--accumulate_steps=2', 'Use larger batches'),
  )
  @pytest.mark.slow
  def test_refuses_what_a_parameter_server_cannot(self, flag, advice):
    flags, _ = _BINARIES['gumbel_softmax_vae']
    status, log = self.run_binary(
        'gumbel_softmax_vae', 'parameter_server', *_COMMON, *flags, flag
    )
    self.assertEqual(status, 1, log)
    self.assertNotIn('Traceback', log)
    self.assertRegex(log, f'Error: Expected .*{advice}')


class RefusalTest(binary.BinaryTestCase, parameterized.TestCase):

  @parameterized.product(
      module=(
          discrete_flow_floors,
          discrete_flow_reordering,
          discrete_flow_shift_gradients,
          estimator_variance,
          evaluate,
          export,
      ),
      strategy=('mirrored', 'multi_worker', 'parameter_server', 'tpu'),
  )
  def test_what_trains_no_model_runs_on_one_device(self, module, strategy):
    line = self.run_failing(module, strategy=strategy)
    self.assertRegex(line, f'Expected --strategy=default.*{strategy}')
    self.assertIn('Leave it out', line)


if __name__ == '__main__':
  absltest.main()
