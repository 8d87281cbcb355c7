import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
from unittest import mock
import urllib.error

from absl import flags
from absl.testing import absltest
from absl.testing import flagsaver
from absl.testing import parameterized
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import data
from experiments import finished_runs
from experiments import gumbel_softmax_vae
from experiments import latent_flags

_ROOT = pathlib.Path(__file__).parents[2]
_TINY = {
    'num_latents': 3,
    'num_classes': 4,
    'decoder_units': ['8'],
    'num_steps': 4,
    'eval_every': 2,
    'num_importance_samples': 5,
    # Another binary in this process may have set other defaults.
    'batch_size': 100,
    'learning_rate': '1e-3',
    'temperature_schedule': '0.5',
}


class GumbelSoftmaxVaeTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    if not flags.FLAGS.is_parsed():
      flags.FLAGS.mark_as_parsed()
    self.output_dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def run_main(self, draw=False, **flag_values):
    """Runs the binary in this process; returns what it printed."""
    flag_values = {**_TINY, 'output_dir': str(self.output_dir), **flag_values}
    stdout = io.StringIO()
    with contextlib.ExitStack() as stack:
      stack.enter_context(flagsaver.flagsaver(**flag_values))
      stack.enter_context(contextlib.redirect_stdout(stdout))
      if not draw:  # Pictures take longer than all the rest.
        stack.enter_context(
            mock.patch.object(gumbel_softmax_vae, 'draw_pictures')
        )
      gumbel_softmax_vae.main(['gumbel_softmax_vae'])
    return stdout.getvalue()

  def run_failing(self, **flag_values):
    """Runs a binary that must end with status 1; returns its stderr."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
      with self.assertRaises(SystemExit) as exit_error:
        self.run_main(**flag_values)
    self.assertEqual(exit_error.exception.code, 1)
    return stderr.getvalue()

  def read(self, name):
    return json.loads((self.output_dir / name).read_text())

  def rows(self):
    lines = (self.output_dir / 'metrics.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]

  def weights(self):
    path = tf.train.latest_checkpoint(str(self.output_dir / 'checkpoints'))
    reader = tf.train.load_checkpoint(path)
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith(('variables', 'optimizer', 'step'))
    }

  def test_leaves_everything_and_resumes_exactly(self):
    printed = self.run_main(draw=True)
    results, config = self.read('results.json'), self.read('config.json')
    self.assertEqual(results['step'], 4)
    self.assertRegex(
        printed, r'bound of 5 samples \[nats\] .* \d+\.\d{3} .* \d+\.\d{3} '
    )
    for name in ('elbo', 'importance_weighted_bound'):
      self.assertBetween(-results['test'][name], 20, 64)
      self.assertGreater(results['test'][f'{name}_stderr'], 0)
    self.assertEqual(config['decoder_units'], [8])
    self.assertEqual(config['data']['binarization'], 'dynamic')
    self.assertEqual(config['data']['sizes']['test'], 250)
    self.assertEqual([row['step'] for row in self.rows()], [2, 4])
    self.assertIn('val_importance_weighted_bound', self.rows()[0])
    for name in ('samples', 'reconstructions', 'curves', 'code_usage'):
      png = tf.io.read_file(str(self.output_dir / f'{name}.png'))
      self.assertGreater(np.std(tf.io.decode_png(png)), 5, name)
    self.assertNotEmpty(list((self.output_dir / 'tensorboard').iterdir()))

    # In another directory: stopped half-way, then the same command.
    whole, whole_rows = self.weights(), self.rows()
    self.output_dir = self.output_dir.with_name('resumed')
    self.run_main(num_steps=2)
    self.run_main()
    self.assertEqual(self.rows(), whole_rows)
    resumed = self.weights()
    self.assertEqual(sorted(resumed), sorted(whole))
    for name, value in whole.items():
      self.assertAllEqual(resumed[name], value, name)
    self.assertEqual(self.read('results.json'), results)

    # Once more, it only draws.
    with mock.patch.object(dlvm.training.Trainer, 'evaluate') as evaluate:
      self.run_main(draw=True)
    evaluate.assert_not_called()
    self.assertTrue((self.output_dir / 'samples.png').exists())

    # Results of a version before may have fewer measures.
    older = {n: v for n, v in results['test'].items() if n != 'rate'}
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
      gumbel_softmax_vae.print_results({**results, 'test': older})
    self.assertIn('negative ELBO', stdout.getvalue())
    self.assertNotIn('rate', stdout.getvalue())

    # Its directory is no place for another config.
    stderr = self.run_failing(num_latents=2)
    self.assertRegex(
        stderr, '^Error: .*num_latents: expected 3, received 2.\n$'
    )

  def test_a_kill_before_the_evaluation_leaves_no_results_of_before(self):
    self.run_main(num_steps=1)
    self.assertEqual(finished_runs.read(self.output_dir).step, 1)
    with mock.patch.object(
        gumbel_softmax_vae.evaluation, 'test', side_effect=KeyboardInterrupt
    ):
      with self.assertRaises(SystemExit):
        self.run_main(num_steps=2)
    self.assertIsNone(finished_runs.read(self.output_dir).step)
    self.run_main(num_steps=2)
    self.assertEqual(finished_runs.read(self.output_dir).step, 2)

  def test_other_choices(self):
    self.check_other_choices(
        'straight_through_gumbel_softmax', 'uniform', 'none'
    )

  @pytest.mark.slow
  def test_other_choices_slow(self):
    self.check_other_choices('straight_through', 'learned', 'fixed')

  def check_other_choices(self, estimator, prior, binarization):
    self.run_main(
        estimator=estimator,
        prior=prior,
        binarization=binarization,
        encoder_units=['8'],
        learning_rate='cosine:initial=1e-2,final=0,num_steps=2',
        temperature_schedule='linear:initial=1,final=.5,num_steps=2',
        num_steps=2,
        jit=prior == 'learned',
    )
    self.assertEqual(self.rows()[-1]['temperature'], 0.75)
    self.assertEqual(self.read('config.json')['estimator'], estimator)

  def test_estimators_of_other_terms_and_samples(self):
    self.check_estimators_of_other_terms_and_samples(
        'vimco', 3, 'negative_bound'
    )

  @parameterized.parameters(
      ('muprop', None, 'distortion'), ('nvil', None, 'negative_bound')
  )
  @pytest.mark.slow
  def test_estimators_of_other_terms_and_samples_slow(
      self, name, samples, term
  ):
    self.check_estimators_of_other_terms_and_samples(name, samples, term)

  def check_estimators_of_other_terms_and_samples(self, name, samples, term):
    self.run_main(estimator=name, num_samples=samples, num_steps=2)
    self.assertIn(term, self.rows()[-1])
    self.assertNotIn('temperature', self.rows()[-1])
    self.assertEqual(self.read('config.json')['num_samples'], samples)

  @pytest.mark.slow
  def test_trains_on_the_bound_of_several_samples(self):
    self.run_main(estimator='reinmax', num_samples=5, importance_weighted=True)
    self.assertIn('negative_bound', self.rows()[-1])
    self.output_dir = self.output_dir.with_name('mean')
    self.run_main(estimator='reinmax', num_samples=5)
    self.assertNotIn('negative_bound', self.rows()[-1])

  @pytest.mark.slow
  def test_validates_with_as_many_samples_as_asked(self):
    bounds = []
    for num_samples in (1, 50):
      self.output_dir = self.output_dir.with_name(f'{num_samples}_samples')
      self.run_main(num_validation_samples=num_samples)
      bounds.append(self.rows()[-1]['val_importance_weighted_bound'])
    self.assertGreater(bounds[1], bounds[0] + 0.1)

  @parameterized.product(
      size=((200, 2, (), 'uniform'), (20, 10, (200,), 'learned')),
      estimator=(
          'score_function',
          'nvil',
          'darn',
          'muprop',
          'straight_through',
          'slope_annealed_straight_through',
          'gumbel_softmax',
          'straight_through_gumbel_softmax',
      ),
  )
  def test_networks_and_estimators_of_the_paper(self, size, estimator):
    num_latents, num_classes, units, prior = size
    with flagsaver.flagsaver(estimator=estimator, num_samples=None):
      model = gumbel_softmax_vae.build_model(
          (28, 28, 1),
          [],
          units,
          num_latents=num_latents,
          num_classes=num_classes,
          prior=prior,
          estimator=latent_flags.make_estimator(),
      )
    logits = num_latents * num_classes
    self.assertEqual(model.encoder.weights[0].shape, (784, logits))
    self.assertEqual(
        [tuple(w.shape) for w in model.decoder.weights[::2]],
        [(a, b) for a, b in zip([logits, *units], [*units, 784], strict=True)],
    )
    x = np.ones([2, 28, 28, 1], 'float32')
    weights = [
        w.value for w in (model.encoder.weights[0], *model.decoder.weights)
    ]
    if prior == 'learned':
      weights.append(model.prior_logits.value)
    with tf.GradientTape() as tape:
      terms = model.loss_terms(x, seed=[0, 1])
      loss = tf.add_n(list(terms.values()))
    # At first a pixel has a chance of about a half.
    self.assertAllInRange(loss, 200, 1600)
    for gradient in tape.gradient(loss, weights):
      self.assertGreater(float(tf.norm(gradient)), 0.0)

  @pytest.mark.slow
  def test_binary_latents_and_a_learned_prior_by_flags(self):
    self.run_main(
        num_latents=5,
        num_classes=2,
        decoder_units=[],
        prior='learned',
        estimator='darn',
        num_steps=2,
    )
    self.assertEqual(self.read('config.json')['prior'], 'learned')
    shapes = {value.shape for value in self.weights().values()}
    self.assertContainsSubset({(64, 10), (10, 64), (5, 2)}, shapes)

  def test_learned_temperature_moves(self):
    self.run_main(temperature_schedule='learned:0.7', num_steps=2)
    temperature = self.rows()[-1]['temperature']
    self.assertAllClose(temperature, 0.7, atol=0.01)
    self.assertNotEqual(temperature, 0.7)
    self.output_dir = self.output_dir.with_name('reinmax')
    stderr = self.run_failing(
        temperature_schedule='learned:0.7', estimator='reinmax'
    )
    self.assertIn('Expected one of gumbel_softmax, straight', stderr)
    self.assertIn('received reinmax', stderr)

  @pytest.mark.slow
  def test_seed_changes_the_run_and_not_the_data(self):
    losses, hashes = [], []
    for seed in (0, 1):
      self.output_dir = self.output_dir.with_name(f'seed{seed}')
      self.run_main(seed=seed, num_steps=1)
      losses.append(self.rows()[-1]['loss'])
      hashes.append(self.read('config.json')['data']['sha256'])
    self.assertNotEqual(losses[0], losses[1])
    self.assertEqual(hashes[0], hashes[1])

  @pytest.mark.slow
  def test_dynamic_binarization_trains_on_draws(self):
    losses = []
    for binarization in ('dynamic', 'none', 'fixed'):
      self.output_dir = self.output_dir.with_name(binarization)
      self.run_main(binarization=binarization, num_steps=1)
      losses.append(self.rows()[-1]['loss'])
    # The weights and the examples are the same, so the pixels are not.
    self.assertLen(set(losses), 3)

  @parameterized.parameters(
      ({'temperature_schedule': 'cubic:initial=1'}, "'cubic' is no kind"),
      ({'temperature_schedule': '0'}, 'Expected a schedule of positive'),
      ({'learning_rate': 'fast'}, "received 'fast'"),
      (
          {'estimator': 'vimco', 'num_samples': 1},
          '`num_samples` of at least 2; received 1',
      ),
      (
          {'estimator': 'unordered_set', 'importance_weighted': True},
          'Expected `importance_weighted` False',
      ),
      (
          {'estimator': 'exact', 'num_latents': 20},
          'codes to enumerate; received 4**20',
      ),
      ({'decoder_units': ['200', '0']}, 'positive integers in --decoder_units'),
      ({'encoder_units': ['wide']}, 'positive integers in --encoder_units'),
      ({'batch_size': 2000}, 'received 2000'),
      ({'clip_norm': -1.0}, '`clip_norm`; received -1.0'),
      ({'clip_norm': 0.0}, '`clip_norm`; received 0.0'),
      ({'output_dir': '/dev/null/run'}, 'directory that can be written'),
  )
  def test_bad_flags(self, flag_values, message):
    stderr = self.run_failing(**flag_values)
    self.assertStartsWith(stderr, 'Error: ')
    self.assertEqual(stderr.count('\n'), 1)
    self.assertIn(message, stderr)
    # The directory is free for the flags that were mended.
    self.assertFalse((self.output_dir / 'config.json').exists())

  def test_flags_of_other_binaries(self):
    with flagsaver.as_parsed(num_seeds='3'):
      self.assertIn('received --num_seeds', self.run_failing())

  def test_no_data_and_no_network(self):
    offline = urllib.error.URLError('Name or service not known')
    with mock.patch.object(data.urllib.request, 'urlopen', side_effect=offline):
      stderr = self.run_failing(dataset='mnist', data_dir=self.get_temp_dir())
    self.assertRegex(stderr, '^Error: Expected mnist .*--data_dir=.*\n$')

  def test_loss_that_is_no_number(self):
    stderr = self.run_failing(learning_rate='1e38')
    self.assertRegex(stderr, '^Error: Expected finite losses.* step .*\n$')

  def test_as_a_process(self):
    # What the tests above cannot see: absl's own parsing, and a traceback.
    process = subprocess.run(
        [
            *(sys.executable, '-m', 'experiments.gumbel_softmax_vae'),
            *('--num_latents=2', '--temperature_schedule=exponential:rate=1'),
            f'--output_dir={self.output_dir}',
        ],
        cwd=_ROOT,
        env={**os.environ, 'CUDA_VISIBLE_DEVICES': '-1'},
        capture_output=True,
        text=True,
    )
    self.assertEqual(process.returncode, 1)
    self.assertEqual(process.stdout, '')
    self.assertNotIn('Traceback', process.stderr)
    last = process.stderr.splitlines()[-1]
    self.assertRegex(last, "^Error: Expected a schedule.*missing.*'initial'$")
    self.assertFalse(self.output_dir.exists())


if __name__ == '__main__':
  absltest.main()
