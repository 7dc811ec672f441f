"""A sequence classifier in Hugging Face format: texts in, the probability of each label out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from holdfast.config.study import ModelSpec
from holdfast.models.memory import LESS, enough_for
from holdfast.models.network import DTYPES, _device
from holdfast.models.weights import pretrained, quiet
from holdfast.store.sources import AS_FILES, model_folder, reason
from holdfast.types import UserError

BATCH_TOKENS = 8192


class Classifier:
    """``spec`` is read for path, revision, device and dtype. A model with one output, or one that its configuration
    calls multi-label, gives each label a probability of its own (sigmoid); any other, one distribution (softmax).

    Raises UserError for a folder that is missing or broken, or whose head is not trained.
    """

    def __init__(self, spec: ModelSpec) -> None:
        if spec.gpus > 1:
            raise UserError(f"the classifier {spec.name} lies on one GPU: leave `gpus` out")
        folder = model_folder(spec.path, spec.revision)
        self._path = spec.path
        self._device = _device(spec.device)
        auto = "bfloat16" if self._device.type == "cuda" else "float32"
        dtype = DTYPES[auto if spec.dtype == "auto" else spec.dtype]
        who = f"the classifier {spec.name} at {spec.path}"
        try:
            with quiet():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **AS_FILES)
        except Exception as error:  # of whatever kind: the folder is anybody's
            raise UserError(f"{who} cannot be loaded: {reason(error)}") from error
        self._model, _ = pretrained(AutoModelForSequenceClassification, folder, who, dtype=dtype)
        self._model.to(self._device).eval().requires_grad_(False)
        config = self._model.config
        self._apart = config.num_labels == 1 or config.problem_type == "multi_label_classification"
        self.labels = tuple(str(config.id2label[n]) for n in range(config.num_labels))
        self._pad = self._tokenizer.pad_token_id if self._tokenizer.pad_token_id is not None else 0
        config.pad_token_id = self._pad  # decoders find their last token by it; masks come from lengths
        self.max_tokens = min(self._tokenizer.model_max_length, _positions(config))

    @torch.no_grad()
    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """The probability of each label, in the order of the texts; {} where a text is longer than ``max_tokens``."""
        ids = [self._tokenizer(text)["input_ids"] for text in texts]
        found: list[dict[str, float]] = [{} for _ in texts]
        for batch in _batches([n for n, row in enumerate(ids) if 0 < len(row) <= self.max_tokens], ids):
            width = max(len(ids[n]) for n in batch)
            ids_BL = torch.tensor([ids[n] + [self._pad] * (width - len(ids[n])) for n in batch], device=self._device)
            lengths_B1 = torch.tensor([[len(ids[n])] for n in batch], device=self._device)
            mask_BL = (torch.arange(width, device=self._device) < lengths_B1).long()
            with enough_for(f"the classifier at {self._path}", LESS):
                logits_BC = self._model(input_ids=ids_BL, attention_mask=mask_BL).logits.float()
            p_BC = logits_BC.sigmoid() if self._apart else logits_BC.softmax(-1)
            if not bool(p_BC.isfinite().all()):
                raise UserError(f"the classifier at {self._path} gives probabilities that are not finite")
            for n, p in zip(batch, p_BC.tolist(), strict=True):
                found[n] = dict(zip(self.labels, p, strict=True))
        return found


def _batches(rows: list[int], ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """The longest first, so that memory too small shows at once; rows of like length together."""
    batch: list[int] = []
    for n in sorted(rows, key=lambda n: -len(ids[n])):
        if batch and len(ids[batch[0]]) * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch


def _positions(config: Any) -> int:
    """Tokens that the model has positions for. RoBERTa and its kin count theirs from after the pad token's id."""
    known = getattr(config, "max_position_embeddings", None) or 2**31
    kin = ("roberta", "xlm", "camembert", "longformer", "data2vec-text", "xmod")
    shifted = any(config.model_type.startswith(name) for name in kin) and config.pad_token_id is not None
    return known - (config.pad_token_id + 1 if shifted else 0)
