"""The training loop, its data, its callbacks and its optimizer."""

from discrete_lvm.training.batches import ShuffledBatches
from discrete_lvm.training.fused_adam import FusedAdam
from discrete_lvm.training.image_grid import ImageGrid
from discrete_lvm.training.image_grid import tile_images
from discrete_lvm.training.json_lines import JsonLines
from discrete_lvm.training.non_finite_loss_error import NonFiniteLossError
from discrete_lvm.training.output_dir import claim_output_dir
from discrete_lvm.training.preemption_error import PreemptionError
from discrete_lvm.training.progress_bar import ProgressBar
from discrete_lvm.training.strategies import get_strategy
from discrete_lvm.training.tensorboard_scalars import TensorBoardScalars
from discrete_lvm.training.trainer import Trainer
from discrete_lvm.training.unreadable_data_error import UnreadableDataError
from discrete_lvm.training.weight_schedule import WeightSchedule
from discrete_lvm.training.workers import is_chief

__all__ = [
    'FusedAdam',
    'ImageGrid',
    'JsonLines',
    'NonFiniteLossError',
    'PreemptionError',
    'ProgressBar',
    'ShuffledBatches',
    'TensorBoardScalars',
    'Trainer',
    'UnreadableDataError',
    'WeightSchedule',
    'claim_output_dir',
    'get_strategy',
    'is_chief',
    'tile_images',
]
