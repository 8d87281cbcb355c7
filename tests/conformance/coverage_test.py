"""No public name is left out of the table of what XLA compiles."""

import pathlib

from absl.testing import absltest
from absl.testing import parameterized

from discrete_lvm import estimators
from tests.conformance import bijectors_test
from tests.conformance import distributions_test
from tests.conformance import layers_test
from tests.conformance import models_test
from tests.conformance import ops_test
from tests.project import source_tree

_NAMES = pathlib.Path(__file__).parents[1] / 'project/public_names.txt'
_HOST = 'runs on the host, between the steps'

# Folder to what is compiled here.
_TABLES = {
    'ops': ops_test.CASES,
    'distributions': distributions_test.CASES,
    'bijectors': bijectors_test.CASES,
    'layers': layers_test.LAYERS,
    'metrics': layers_test.METRICS,
    'models': {
        name
        for names in (*models_test.MODELS, *layers_test.RATE_CONTROLS)
        for name in names.split(', ')
    },
    'objectives': models_test.OBJECTIVES,
}

# Name to the test that compiles it, which need not be done twice.
_ELSEWHERE = {
    **{
        f'estimators.{cls.__name__}': 'tests/estimators/estimators_test.py'
        for cls in estimators.ESTIMATORS.values()
    },
    **{
        f'{folder}.{name}': f'tests/{folder}/{file}_test.py'
        for folder, file, names in (
            (
                'ops',
                'code_information',
                ('code_information', 'code_statistics', 'entropy'),
            ),
            ('ops', 'gibbs', ('codes_at', 'gibbs_sweep')),
            ('ops', 'leave_one_out', ('leave_one_out_log_sum_exp',)),
            ('ops', 'replicas', ('batch_mean',)),
            ('ops', 'schedules', ('RectifiedSchedule',)),
            (
                'layers',
                'critics',
                (
                    'BilinearCritic',
                    'ConcatenatedCritic',
                    'LogBaseline',
                    'SeparableCritic',
                ),
            ),
            ('metrics', 'code_information', ('CodeInformation',)),
            (
                'models',
                'annealed_importance',
                (
                    'annealed_bound',
                    'annealed_log_weights',
                    'annealed_upper_bound',
                    'bidirectional_bounds',
                ),
            ),
            ('models', 'mutual_information', ('MutualInformation',)),
            ('models', 'semi_supervised_vae', ('SemiSupervisedVAE',)),
            (
                'objectives',
                'importance_weighted_estimate',
                ('importance_weighted_estimate',),
            ),
            (
                'objectives',
                'mutual_information',
                (
                    'barber_agakov_bound',
                    'donsker_varadhan_bound',
                    'info_nce_bound',
                    'interpolated_bound',
                    'jensen_shannon_bound',
                    'jensen_shannon_objective',
                    'leave_one_out_upper_bound',
                    'nwj_bound',
                    'tuba_bound',
                    'unnormalized_barber_agakov_bound',
                ),
            ),
        )
        for name in names
    },
    'training.FusedAdam': 'tests/training/fused_adam_test.py',
    'training.Trainer': 'tests/training/trainer_test.py',
    'training.WeightSchedule': 'tests/training/weight_schedule_test.py',
}

# Name to the reason for which there is nothing to compile.
_EXEMPT = {
    '__version__': 'a string',
    'estimators.ESTIMATORS': 'the classes, each of which is compiled',
    'estimators.Estimator': 'abstract; each of its classes is compiled',
    'models.GibbsKernel': 'of annealed_log_weights, which is compiled',
    **dict.fromkeys(
        (
            'models.BidirectionalBounds',
            'objectives.ImportanceWeightedEstimate',
            'ops.CodeStatistics',
            'ops.RateDecomposition',
        ),
        'a tuple of what a function returns, which is compiled',
    ),
    **{
        f'{folder}.{name}': reason
        for folder, module in (
            ('ops', ops_test),
            ('distributions', distributions_test),
            ('bijectors', bijectors_test),
        )
        for name, reason in module.EXEMPT.items()
    },
    **{
        f'training.{name}': _HOST
        for name in (
            'ImageGrid',
            'JsonLines',
            'NonFiniteLossError',
            'PreemptionError',
            'ProgressBar',
            'ShuffledBatches',
            'TensorBoardScalars',
            'UnreadableDataError',
            'claim_output_dir',
            'get_strategy',
            'is_chief',
            'tile_images',
        )
    },
}


def _names():
  """Lists the public names but for the folders, as `ops.gumbel`."""
  names = [
      line.removeprefix('discrete_lvm.') for line in _NAMES.read_text().split()
  ]
  folders = {name.partition('.')[0] for name in names if '.' in name}
  return [name for name in names if name not in folders]


def _compiled_here():
  return {
      f'{folder}.{name}' for folder, table in _TABLES.items() for name in table
  }


class CoverageTest(parameterized.TestCase):

  @parameterized.parameters(*_names())
  def test_every_public_name_has_an_entry_or_a_reason(self, name):
    self.assertEqual(
        sum(name in names for names in (_compiled_here(), _ELSEWHERE, _EXEMPT)),
        1,
        f'Expected {name} in one table of tests/conformance, or the reason for '
        'which XLA does not apply to it in coverage_test.py.',
    )

  def test_every_entry_is_of_a_public_name(self):
    names = {*_compiled_here(), *_ELSEWHERE, *_EXEMPT}
    self.assertEmpty(sorted(names - set(_names())))

  @parameterized.parameters(*sorted(set(_ELSEWHERE.values())))
  def test_what_is_compiled_elsewhere_is(self, path):
    text = (source_tree.ROOT / path).read_text(encoding='utf-8')
    self.assertIn('jit_compile', text)
    for name, where in _ELSEWHERE.items():
      if where == path and not name.startswith('estimators.'):
        self.assertIn(name.partition('.')[2], text)
    if 'estimators' in path:
      self.assertIn('estimators.ESTIMATORS.items()', text)


if __name__ == '__main__':
  absltest.main()
