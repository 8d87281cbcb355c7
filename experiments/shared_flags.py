"""Flags that every binary has."""

from collections.abc import Sequence

from absl import flags

from experiments import schedules

SEED = flags.DEFINE_integer(
    'seed',
    0,
    'Seed of the initial weights, the order of the examples and all noise.',
    lower_bound=0,
)
OUTPUT_DIR = flags.DEFINE_string(
    'output_dir',
    None,
    'Where the run writes; started again with the same flags, it goes on from'
    ' its last checkpoint.',
)
DATA_DIR = flags.DEFINE_string(
    'data_dir',
    None,
    'Where TFDS keeps its data sets; its own default if not given.',
)
TEXT_FILE = flags.DEFINE_string(
    'text_file',
    None,
    "Text of a-z and spaces alone, as text8, plain or gzipped; Python's own"
    ' documentation if not given.',
)
DATA_SEED = flags.DEFINE_integer(
    'data_seed',
    0,
    'Seed of what is random in the data themselves (a split, a binarisation, a'
    ' table), so that runs of several seeds are runs on the same data.',
    lower_bound=0,
)
NUM_STEPS = flags.DEFINE_integer(
    'num_steps',
    None,
    'Optimisation steps in all. Raise it to train a finished run further,'
    ' unless its learning rate fell to 0.',
    lower_bound=1,
)
EVAL_EVERY = flags.DEFINE_integer(
    'eval_every',
    1000,
    'Steps between evaluations on the validation set, each of which ends in a'
    ' checkpoint.',
    lower_bound=1,
)
NUM_LATENTS = flags.DEFINE_integer(
    'num_latents', None, 'Number of latents N.', lower_bound=1
)
NUM_CLASSES = flags.DEFINE_integer(
    'num_classes', None, 'Number of classes K.', lower_bound=2
)
LENGTH = flags.DEFINE_integer(
    'length', None, 'Number of positions D of an event.', lower_bound=1
)
BATCH_SIZE = flags.DEFINE_integer(
    'batch_size', None, 'Examples a step.', lower_bound=1
)
LEARNING_RATE = flags.DEFINE_string(
    'learning_rate',
    None,
    f'Learning rate of Adam: {schedules.SYNTAX}. A default that falls to 0 does'
    ' so over --num_steps, if these are more than by default.',
)
TEMPERATURE_SCHEDULE = flags.DEFINE_string(
    'temperature_schedule',
    None,
    'Temperature of the estimator or the straight-through gradient: '
    f'{schedules.SYNTAX}; for Gumbel-Softmax, in the binaries gumbel_softmax_*,'
    ' also learned:NUMBER, from that number on.',
)
JIT = flags.DEFINE_boolean('jit', False, 'Compile the training step by XLA.')
PRECISION = flags.DEFINE_enum(
    'precision',
    'float32',
    ['float32', 'mixed_bfloat16', 'mixed_float16'],
    'Dtype policy of the networks; weights, noise and losses are float32. With'
    ' mixed_float16 the loss is scaled.',
)
UNITS = flags.DEFINE_integer(
    'units', None, 'Width of the networks but for tables.', lower_bound=1
)
NUM_SEEDS = flags.DEFINE_integer(
    'num_seeds',
    1,
    'Number of runs of each model, from --seed on.',
    lower_bound=1,
)
NUM_IMPORTANCE_SAMPLES = flags.DEFINE_integer(
    'num_importance_samples',
    None,
    'Samples of the bound on the test set at the end.',
    lower_bound=1,
)
STRATEGY = flags.DEFINE_enum(
    'strategy',
    'default',
    ['default', 'mirrored', 'multi_worker', 'parameter_server', 'tpu'],
    'Devices that train together: those of this machine (mirrored), of all the'
    ' workers of TF_CONFIG (multi_worker, parameter_server), or of a TPU.'
    ' --batch_size is that of all of them.',
)
NUM_REPLICAS = flags.DEFINE_integer(
    'num_replicas',
    None,
    'For --strategy=mirrored, how many devices: all GPUs if not given; without'
    ' a GPU, shares of the CPU.',
    lower_bound=1,
)
TPU = flags.DEFINE_string(
    'tpu',
    None,
    'For --strategy=tpu, its name or address; that of TPU_NAME if not given.',
)
EMA_MOMENTUM = flags.DEFINE_float(
    'ema_momentum',
    None,
    'Momentum, in (0, 1), of a moving average of the weights over the steps,'
    ' which is what is evaluated and saved; by default the weights themselves.',
)
flags.register_validator(
    EMA_MOMENTUM,
    lambda momentum: momentum is None or 0 < momentum < 1,
    'Expected a number in (0, 1).',
)
CLIP_NORM = flags.DEFINE_float(
    'clip_norm', None, 'Largest global norm of the gradients of a step.'
)
ACCUMULATE_STEPS = flags.DEFINE_integer(
    'accumulate_steps',
    1,
    'Batches whose gradients make one step, where --batch_size of them at once'
    ' do not fit into memory.',
    lower_bound=1,
)
_ALL = tuple(
    flag for flag in globals().values() if isinstance(flag, flags.FlagHolder)
)


def all_but(*used: flags.FlagHolder) -> Sequence[flags.FlagHolder]:
  """Lists the flags that a binary does not use.

  Args:
    *used: Those that it does.

  Returns:
    All the others of this module.

  Example:
    >>> [flag.name for flag in all_but(*_ALL[1:])]
    ['seed']
  """
  names = {flag.name for flag in used}
  return [flag for flag in _ALL if flag.name not in names]
