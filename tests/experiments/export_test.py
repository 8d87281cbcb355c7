import json
from unittest import mock

from absl.testing import absltest
import keras
import numpy as np
import pytest
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import delta_vae_runs
from experiments import delta_vae_text
from experiments import discrete_flow_potts
from experiments import export
from experiments import flow_pictures
from experiments import gumbel_softmax_structured
from experiments import gumbel_softmax_vae
from tests.experiments import binary


class ExportTest(binary.BinaryTestCase):

  tiny = {
      # Of every binary: another one in this process may have set others.
      'batch_size': 8,
      'eval_every': 2,
      'export_dir': None,
      'learning_rate': '1e-2',
      'num_classes': 3,
      'num_importance_samples': 2,
      'num_latents': 4,
      'num_seeds': 1,
      'num_steps': 2,
      'seed': 0,
      'temperature_schedule': '0.5',
      'units': 8,
  }

  def export(self, run_dir):
    """Exports a run; returns the two models that it leaves."""
    self.printed = self.run_main(export, output_dir=str(run_dir))
    loaded = tf.saved_model.load(str(run_dir / 'export/saved_model'))
    model = keras.saving.load_model(run_dir / 'export/model.keras')
    # The weights are those of the end of the run.
    path = tf.train.latest_checkpoint(str(run_dir / 'checkpoints'))
    reader = tf.train.load_checkpoint(path)
    weights = {variable.path for variable in model.weights}
    for i, variable in enumerate(model.variables):
      if variable.path in weights:  # Not the state of a seed generator.
        value = reader.get_tensor(f'variables/{i}/.ATTRIBUTES/VARIABLE_VALUE')
        self.assertAllEqual(variable, value)
    return loaded, model

  def test_gumbel_softmax_vae(self):
    with mock.patch.object(gumbel_softmax_vae, 'draw_pictures'):
      self.run_main(
          gumbel_softmax_vae,
          dataset='digits',
          estimator='gumbel_softmax',
          decoder_units=['8'],
      )
    export_dir = self.output_dir / 'elsewhere'
    printed = self.run_main(export, export_dir=str(export_dir))
    self.assertRegex(printed, r'log_prob .* num_samples: int32 \(\)')
    self.assertIn(f'Wrote {export_dir}', printed)
    self.assertTrue((export_dir / 'model.keras').exists())
    self.assertFalse((self.output_dir / 'export').exists())
    loaded, model = self.export(self.output_dir)
    x = np.zeros([3, 8, 8, 1], 'float32')
    self.assertAllClose(
        loaded.signatures['log_prob'](
            x=tf.constant(x),
            num_samples=tf.constant(5),
            seed=tf.constant([0, 1]),
        )['log_prob'],
        model.importance_weighted_bound(x, 5, seed=[0, 1]),
        rtol=1e-6,
    )
    description = json.loads(
        (
            self.output_dir / 'export/saved_model/assets/discrete_lvm.json'
        ).read_text()
    )
    self.assertEqual(description['discrete_lvm'], dlvm.__version__)
    self.assertEqual(description['model']['config']['num_latents'], 4)

  def test_names_a_run_below_at_any_depth(self):
    run_dir = self.output_dir / '8x4/reinmax/seed_0'
    run_dir.mkdir(parents=True)
    (run_dir / 'results.json').write_text('{}')
    error = self.run_failing(export)
    self.assertIn(f'which has runs such as {run_dir}.', error)

  def test_gumbel_softmax_structured(self):
    with mock.patch.object(gumbel_softmax_structured, 'draw_predictions'):
      self.run_main(
          gumbel_softmax_structured,
          dataset='digits',
          estimator='gumbel_softmax',
      )
    loaded, model = self.export(self.output_dir)
    x = np.zeros([3, 4, 8, 1], 'float32')
    y = loaded.signatures['sample'](
        x=tf.constant(x), num_samples=tf.constant(2), seed=tf.constant([0, 1])
    )['y']
    self.assertAllClose(y, model.sample(x, 2, seed=[0, 1]))

  @pytest.mark.slow
  def test_delta_vae(self):
    self.output_dir.mkdir(parents=True)
    text_file = binary.write_text(self.output_dir / 'text', range(27), 8000)
    with mock.patch.object(delta_vae_runs, '_measure', return_value={}):
      with mock.patch.object(delta_vae_runs, 'delta_vae_table'):
        with mock.patch.object(delta_vae_runs, 'delta_vae_pictures'):
          self.run_main(
              delta_vae_text,
              block_length=4,
              decoder='convolution',
              decoder_layers=1,
              latent_dim=2,
              length=8,
              methods=['delta:2'],
              num_components=2,
              num_test=2,
              text_file=str(text_file),
          )
    loaded, model = self.export(self.output_dir / 'delta_2/seed_0')
    for name, auxiliary in (('sample', False), ('sample_auxiliary', True)):
      x = loaded.signatures[name](
          num_samples=tf.constant(2), seed=tf.constant([0, 1])
      )['x']
      self.assertAllEqual(x, model.sample(2, [0, 1], auxiliary))

  @pytest.mark.slow
  def test_discrete_flow_and_unfinished_runs(self):
    name = 'factorized+bipartite'
    with mock.patch.object(flow_pictures, 'log_probs'):
      self.run_main(
          discrete_flow_potts,
          models=[name],
          side=2,
          num_chains=500,
          num_sweeps=20,
          # Of which one layer is of the experiments, not of the library.
          bipartite_network='convolution',
          masks='alternating',
          gradient='softmax',
      )
    run_dir = self.output_dir / name / 'seed_0'
    loaded, model = self.export(run_dir)
    codes = tf.constant(list(np.ndindex(3, 3, 3, 3)), tf.int32)
    log_prob = loaded.signatures['log_prob'](x=codes)['log_prob']
    self.assertAllClose(log_prob, model.log_prob(codes))
    self.assertAllClose(tf.reduce_sum(tf.exp(log_prob)), 1.0)

    whole = (run_dir / 'model.keras').read_bytes()
    (run_dir / 'model.keras').write_bytes(whole[:-100])
    error = self.run_failing(export, output_dir=str(run_dir))
    self.assertIn(f'{run_dir}/model.keras; received a file that is', error)
    (run_dir / 'model.keras').write_bytes(whole)
    file = self.output_dir / 'file'
    file.write_text('')
    error = self.run_failing(
        export, output_dir=str(run_dir), export_dir=str(file)
    )
    self.assertIn(f'received the file {file}', error)
    error = self.run_failing(
        export, output_dir=str(run_dir), export_dir=str(file / 'below')
    )
    self.assertIn(f"Not a directory: '{file}/below'", error)

    # That of a sweep, of a run that has no results yet, of nothing, and none.
    message = 'Expected an --output_dir of a finished run, with results.json'
    error = self.run_failing(export)
    self.assertIn(f'{message} and model.keras; received', error)
    self.assertIn(f'which has runs such as {run_dir}.', error)
    (run_dir / 'results.json').unlink()
    for output_dir in (str(run_dir), str(self.output_dir / 'nothing'), None):
      error = self.run_failing(export, output_dir=output_dir)
      self.assertIn(f'{message} and model.keras; received {output_dir}.', error)


if __name__ == '__main__':
  absltest.main()
