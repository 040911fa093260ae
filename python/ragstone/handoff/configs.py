"""Configurations for trainers: adapters (LoRA) with usual values, the best checkpoint by validation loss is kept.

Nothing here was run on the user's model: rank, rate and epochs are where practice starts, to be changed by what the
validation loss says. ``BASE_MODEL`` is left to be filled in, for which model may be used is not ours to say.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["configs"]

BASE_MODEL = "BASE_MODEL"
_BATCH, _ACCUMULATED, _EPOCHS = 4, 4, 3
_PATIENCE = 3


def configs(formats: Sequence[str], *, train: int, valid: int, longest_tokens: int, seed: int) -> dict[str, str]:
    """Files below ``configs/``, run from the bundle's folder; without a validation part nothing is evaluated.

    Args:
        formats: The forms that were written.
        train: Examples for training.
        valid: Examples for validation.
        longest_tokens: About how many tokens the longest example has.
        seed: Of the training.

    >>> sorted(configs(["messages"], train=100, valid=10, longest_tokens=900, seed=0))
    ['configs/axolotl.yaml', 'configs/llamafactory.yaml', 'configs/trl_sft.yaml']
    """
    steps = max(1, -(-train // (_BATCH * _ACCUMULATED)) // 2)
    length = next((size for size in (512, 1024, 2048, 4096, 8192, 16384) if longest_tokens <= size), 32768)
    numbers = {"seed": seed & 0x7FFFFFFF, "length": length, "steps": steps}
    files: dict[str, str] = {}
    if "messages" in formats:
        files["configs/axolotl.yaml"] = _axolotl(valid > 0, **numbers)
    if "prompt_completion" in formats or "messages" in formats:
        form = "prompt_completion" if "prompt_completion" in formats else "messages"
        files["configs/trl_sft.yaml"] = _trl(form, valid > 0, **numbers)
    if "alpaca" in formats or "messages" in formats:
        files["configs/llamafactory.yaml"] = _llamafactory(
            "messages" if "messages" in formats else "alpaca", valid > 0, **numbers
        )
    return files


def _axolotl(valid: bool, *, seed: int, length: int, steps: int) -> str:
    tested = f"""\
test_datasets:
  - path: data/messages/valid.jsonl
    ds_type: json
    type: chat_template
    field_messages: messages
    split: train
eval_steps: {steps}
save_steps: {steps}
early_stopping_patience: {_PATIENCE}
load_best_model_at_end: true
metric_for_best_model: eval_loss
greater_is_better: false
"""
    return f"""\
# axolotl train configs/axolotl.yaml
base_model: {BASE_MODEL}
adapter: lora
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_linear: true
datasets:
  - path: data/messages/train.jsonl
    ds_type: json
    type: chat_template
    field_messages: messages
    roles_to_train: ["assistant"]
    train_on_eos: turn
{tested if valid else "val_set_size: 0"}
sequence_len: {length}
micro_batch_size: {_BATCH}
gradient_accumulation_steps: {_ACCUMULATED}
num_epochs: {_EPOCHS}
learning_rate: 0.0002
lr_scheduler: cosine
warmup_ratio: 0.05
optimizer: adamw_torch
bf16: auto
gradient_checkpointing: true
logging_steps: 10
output_dir: out/axolotl
seed: {seed}
""".replace("\n\n", "\n")


def _trl(form: str, valid: bool, *, seed: int, length: int, steps: int) -> str:
    loss = "completion_only_loss: true" if form == "prompt_completion" else "assistant_only_loss: true"
    tested = f"""\
dataset_test_split: validation
eval_strategy: steps
eval_steps: {steps}
save_strategy: steps
save_steps: {steps}
save_total_limit: 2
load_best_model_at_end: true
metric_for_best_model: eval_loss
greater_is_better: false
"""
    return f"""\
# trl sft --config configs/trl_sft.yaml
# Its command line has no early stopping: the checkpoint with the least validation loss is loaded at the end.
model_name_or_path: {BASE_MODEL}
dataset_name: data/{form}
dataset_train_split: train
{tested if valid else "eval_strategy: 'no'"}
{loss}
use_peft: true
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_modules: all-linear
max_length: {length}
packing: false
per_device_train_batch_size: {_BATCH}
gradient_accumulation_steps: {_ACCUMULATED}
num_train_epochs: {_EPOCHS}
learning_rate: 0.0002
lr_scheduler_type: cosine
gradient_checkpointing: true
bf16: true
logging_steps: 10
report_to: none
output_dir: out/trl
seed: {seed}
""".replace("\n\n", "\n")


def _llamafactory(form: str, valid: bool, *, seed: int, length: int, steps: int) -> str:
    tested = f"""\
eval_dataset: {form}_valid
per_device_eval_batch_size: {_BATCH}
eval_strategy: steps
eval_steps: {steps}
save_strategy: steps
save_steps: {steps}
load_best_model_at_end: true
metric_for_best_model: eval_loss
greater_is_better: false
early_stopping_steps: {_PATIENCE}
"""
    return f"""\
# llamafactory-cli train configs/llamafactory.yaml
# TEMPLATE is the name of the model's chat template, as listed in LLaMA-Factory's README.
model_name_or_path: {BASE_MODEL}
template: TEMPLATE
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target: all
dataset_dir: data
dataset: {form}_train
{tested if valid else "eval_strategy: 'no'"}
cutoff_len: {length}
per_device_train_batch_size: {_BATCH}
gradient_accumulation_steps: {_ACCUMULATED}
num_train_epochs: {_EPOCHS}
learning_rate: 0.0002
lr_scheduler_type: cosine
warmup_steps: {max(1, steps // 4)}
bf16: true
logging_steps: 10
report_to: none
output_dir: out/llamafactory
seed: {seed}
""".replace("\n\n", "\n")
