"""The network: a causal language model in memory, where it stands, and the one way its body is run.

Assumptions about the model: a causal language model of transformers whose layers all attend causally, fully or through
a sliding window; ``head.check`` compares what is built on that with the model's own logits before anything is trained.

Shape legend: B rows, Q query positions, K key positions (Q = K without a cache), D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import MoeModelOutputWithPast

from holdfast.data.renderer import Renderer
from holdfast.models import quantised, spread
from holdfast.models.weights import pretrained, quiet
from holdfast.store.model_files import model_digest
from holdfast.store.sources import AS_FILES, model_folder, reason
from holdfast.types import Turn, UserError

if TYPE_CHECKING:
    from holdfast.config.study import ModelSpec

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
LAYERS = {"full_attention", "sliding_attention"}


@dataclass
class Network:
    """A frozen base model, with at most one LoRA adapter attached, or with trained weights in place of its own (see
    ``adapters``).

    ``model`` is the transformers model itself, adapter layers inside it; ``digest`` is of the base folder's content.
    ``autocast`` runs the body in bfloat16 (adapter and hidden states stay fp32), for processors that have it.
    ``devices``: all that it lies on, of which ``device`` is the first (see ``spread``).
    """

    spec: ModelSpec
    model: PreTrainedModel
    renderer: Renderer
    device: torch.device
    dtype: torch.dtype
    digest: str
    autocast: bool = False
    unused: str = ""  # what its folder holds beside it, in words
    devices: tuple[torch.device, ...] = ()
    trained: Any = field(default=None, repr=False)  # adapters.Attached | full.Full | None
    sound: str | None = field(default=None, repr=False)  # adapters.base_fingerprint, from before anything was attached
    directions: dict[str, Any] = field(default_factory=dict, repr=False)  # directions.Found of the base, by digest

    def __post_init__(self) -> None:
        self.devices = self.devices or (self.device,)
        self.decoder: Any = self.model.get_decoder()
        self.decoder_path = next(name for name, module in self.model.named_modules() if module is self.decoder)
        config = self.decoder.config
        kinds = set(getattr(config, "layer_types", None) or ())
        self.odd_layers = kinds - LAYERS
        # Some configurations name a window that none of their layers use; those that list their layers are believed.
        self._window: int | None = getattr(config, "sliding_window", None)
        self._mixed = "sliding_attention" in kinds  # such models take one mask for each kind of layer
        if kinds and not self._mixed:
            self._window = None

    @property
    def layers_on(self) -> dict[torch.device, int]:
        """How many layers lie on each device, the first among them."""
        if len(self.devices) == 1:
            return {self.device: self.decoder.config.num_hidden_layers}
        return {self.device: 0} | spread.layers_on(self.model)

    @property
    def max_positions(self) -> int:
        """Positions that the model was made for; a large number where it does not say."""
        return getattr(self.decoder.config, "max_position_embeddings", None) or 2**31

    @property
    def attention(self) -> str:
        """The attention kernel in use; a model that has no sdpa (soft-capped attention) runs eager."""
        return self.decoder.config._attn_implementation

    def body(self, ids_BQ: Tensor, positions_BQ: Tensor, keep_BQK: Tensor | None = None) -> Tensor:
        """(B, Q, D) last hidden states, without a cache.

        ``keep_BQK`` is the attention mask, None for plain causal attention. A cache is never made: transformers skips
        the mask of packed rows when there is one.
        """
        mask = None if keep_BQK is None else self.mask(keep_BQK, positions_BQ, positions_BQ)
        with self.computing():
            out = self.decoder(input_ids=ids_BQ, attention_mask=mask, position_ids=positions_BQ, use_cache=False)
        return out.last_hidden_state

    def step(
        self, ids_BQ: Tensor, positions_BQ: Tensor, keep_BQK: Tensor, positions_BK: Tensor, cache: Cache
    ) -> Tensor:
        """(B, V) the model's own logits after the last position, in fp32, with a cache."""
        mask = self.mask(keep_BQK, positions_BQ, positions_BK)
        with self.computing():
            out = self.model(
                input_ids=ids_BQ,
                attention_mask=mask,
                position_ids=positions_BQ,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return out.logits[:, -1].float()

    def own_step(self, ids_1Q: Tensor, past: Any) -> tuple[Tensor, Any]:
        """(1, V) logits after the last position, in fp32, and the model's own cache to go on from (None at first).

        Without a mask, for one row: right for layers that read no mask of attention (linear attention, convolutions).
        """
        with self.computing():
            out = self.model(input_ids=ids_1Q, past_key_values=past, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].float(), out.past_key_values

    @contextmanager
    def reading(
        self, layers: Collection[int], of: Callable[[Tensor], Tensor] = lambda out_BQD: out_BQD
    ) -> Iterator[dict[int, Tensor]]:
        """Within it a forward leaves here what these layers give, (B, Q, D) by layer, with gradients, on ``device``; or
        what ``of`` makes of each at once, where all of it would be too much to keep. Raises UserError where the model
        has no such layer."""
        found: dict[int, Tensor] = {}
        there = getattr(self.decoder, "layers", ())
        if wrong := [k for k in sorted(layers) if not 0 <= k < len(there)]:
            raise UserError(f"{self.spec.name} has the layers 0 to {len(there) - 1}, and no layer {wrong[0]}")

        def keep(k: int, out: Any) -> None:
            found[k] = of(out[0] if isinstance(out, tuple) else out).to(self.device)

        hooks = [there[k].register_forward_hook(lambda _m, _i, out, k=k: keep(k, out)) for k in sorted(layers)]
        try:
            yield found
        finally:  # before a backward, which under gradient checkpointing runs the layers again
            for hook in hooks:
                hook.remove()

    @contextmanager
    def changing(self, changes: Mapping[int, Callable[[Tensor], Tensor]]) -> Iterator[None]:
        """Within it a layer gives what its change makes of its output, (B, Q, D). Entered within ``reading``, what that
        leaves is as it was before."""

        def change(of: Callable[[Tensor], Tensor], out: Any) -> Any:
            return (of(out[0]), *out[1:]) if isinstance(out, tuple) else of(out)

        there = self.decoder.layers
        hooks = [
            there[k].register_forward_hook(lambda _m, _i, out, of=of: change(of, out)) for k, of in changes.items()
        ]
        try:
            yield
        finally:  # before a backward: a sum with a constant keeps nothing that layers run again would have to give
            for hook in hooks:
                hook.remove()

    def mask(self, keep_BQK: Tensor, positions_BQ: Tensor, positions_BK: Tensor) -> Any:
        """The mask in the form that this model and its attention kernel want.

        A 4-D mask is used by transformers as it is, in every layer it reaches: the sliding window is ours to cut.
        """
        if self.odd_layers:
            kinds = ", ".join(sorted(self.odd_layers))
            raise UserError(
                f"the layers of {self.spec.name} ({kinds}) take no mask, so no rows can be packed: to train it, set "
                "`controls: {layout: padded}`"
            )
        if self._window is None:
            return self._form(keep_BQK)
        near_BQK = keep_BQK & (positions_BQ[:, :, None] - positions_BK[:, None, :] < self._window)
        if self._mixed:
            return {"full_attention": self._form(keep_BQK), "sliding_attention": self._form(near_BQK)}
        return self._form(near_BQK)

    def _form(self, keep_BQK: Tensor) -> Tensor:
        keep_B1QK = keep_BQK.unsqueeze(1)
        one_step = keep_BQK.shape[1] == 1 and not self.autocast
        if self.attention == "sdpa" and not one_step:
            return keep_B1QK
        # Eager attention adds its mask. sdpa would make the sum of a mask of booleans again in every layer, which for
        # one new token is a good part of its work.
        zero = torch.zeros(keep_B1QK.shape, dtype=self.dtype, device=self.device)
        return zero.masked_fill_(~keep_B1QK, torch.finfo(self.dtype).min)

    def computing(self) -> Any:
        """The context that the body runs in."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.autocast else nullcontext()

    def own_logits(self, hidden_ND: Tensor) -> Tensor:
        """(N, V) logits by the model's own forward, whatever that does, on hidden states that are given to it."""
        # Soft caps, scales and biases differ between architectures: the model's own forward knows them, so it is run,
        # with a body that only hands the hidden states on.
        given = _Given(hidden_ND.unsqueeze(0))
        self.model.set_submodule(self.decoder_path, given)
        try:
            return self.model(inputs_embeds=given.hidden, use_cache=False).logits[0]
        finally:
            self.model.set_submodule(self.decoder_path, self.decoder)

    def checkpointing(self, on: bool) -> None:
        """Gradient checkpointing. Only the checkpointed layers' own flag says "training": every dropout stays off."""
        if on and not self.model.supports_gradient_checkpointing:
            raise UserError(f"{self.spec.name} supports no gradient checkpointing: set `gradient_checkpointing: false`")
        kind = "activation" if hasattr(self.model, "activation_checkpointing_enable") else "gradient"  # its older name
        if on:
            getattr(self.model, f"{kind}_checkpointing_enable")({"use_reentrant": False})
        elif self.model.supports_gradient_checkpointing:
            getattr(self.model, f"{kind}_checkpointing_disable")()
        for module in self.model.modules():
            if hasattr(module, "gradient_checkpointing"):
                module.training = on


class _Given(nn.Module):
    """A body that returns the hidden states it was made with."""

    def __init__(self, hidden_1ND: Tensor):
        super().__init__()
        self.hidden = hidden_1ND

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return MoeModelOutputWithPast(last_hidden_state=self.hidden)  # with the fields that any head looks for


def load(spec: ModelSpec, *, threads: int | None = None) -> Network:
    """The base model of a study, in evaluation mode and without gradients.

    ``threads`` sets torch's threads for this process. Raises ``UserError`` for a folder that is missing or broken, an
    architecture that this transformers does not know, and a device that is not there.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    devices = _devices(spec)
    device = devices[0]
    dtype = DTYPES[spec.dtype] if spec.dtype != "auto" else DTYPES["bfloat16" if device.type == "cuda" else "float32"]
    if device.type == "cuda" and dtype == torch.bfloat16 and not torch.cuda.is_bf16_supported():
        raise UserError(f"the GPU of {spec.name} has no bfloat16: set `dtype: float32`")
    folder = model_folder(spec.path, spec.revision)
    with quiet():
        model, unused = _model(folder, spec, dtype, devices)
    model.eval().requires_grad_(False)
    digest = model_digest(folder, spec.quantization)
    network = Network(spec, model, Renderer.of(spec), device, dtype, digest, unused=unused, devices=devices)
    _try(network)
    return network


@torch.no_grad()
def _try(network: Network) -> None:
    """One short prompt. Raises UserError where the template writes a token that the model has no embedding for, and
    where configuration and weights load and cannot be run."""
    name, renderer = network.spec.name, network.renderer
    ids = (*renderer.prompt_ids((Turn("user", "?"),)), renderer.end_ids[0])
    rows = network.model.get_input_embeddings().weight.shape[0]  # type: ignore[operator,union-attr]
    if beyond := [i for i in ids if i >= rows]:
        raise UserError(
            f"the tokenizer of {name} does not fit its weights: prompts hold the token of id {beyond[0]} and there are "
            f"{rows:,} embeddings; take the tokenizer that belongs to this model"
        )
    ids_1L = torch.tensor([ids], device=network.device)
    try:
        network.body(ids_1L, torch.arange(len(ids), device=network.device).unsqueeze(0))
    except Exception as error:  # of whatever kind: the folder is anybody's
        raise UserError(f"the model {name} at {network.spec.path} cannot be run: {reason(error)}") from error


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"the device {name!r} is not there: set `device: auto` or `device: cpu`") from error
    return device


def _devices(spec: ModelSpec) -> tuple[torch.device, ...]:
    """The first of those that this process sees, as many as the model is to lie on."""
    device = _device(spec.device)
    if spec.gpus == 1:
        return (device,)
    there = 0 if device.type == "cpu" else torch.get_device_module(device.type).device_count()
    if there < spec.gpus:
        raise UserError(
            f"{spec.name} is to lie on {spec.gpus} GPUs (`gpus`) and this process sees {there or 'none'}: set it "
            "lower, or run where there are as many"
        )
    return tuple(torch.device(device.type, k) for k in range(spec.gpus))


def _model(
    folder: Path, spec: ModelSpec, dtype: torch.dtype, devices: tuple[torch.device, ...]
) -> tuple[PreTrainedModel, str]:
    who = f"the model {spec.name} at {spec.path}"
    try:
        config = AutoConfig.from_pretrained(folder, **AS_FILES)
        kernel = spec.attention if _has_sdpa(config) else "eager"
    except Exception as error:  # of whatever kind: the folder is anybody's
        raise UserError(f"{who} cannot be loaded: {reason(error)}") from error
    how = {"config": config, "dtype": dtype, "attn_implementation": kernel}
    how |= quantised.options(spec, config, dtype, devices[0])
    if len(devices) > 1:
        how["device_map"] = spread.placement(config, devices, who)
    model, unused = pretrained(AutoModelForCausalLM, folder, who, **how)
    if len(devices) > 1:
        spread.connect(model, devices, who)
    return model if "device_map" in how else model.to(devices[0]), unused


def _has_sdpa(config: Any) -> bool:
    model = AutoModelForCausalLM._model_mapping.get(type(config), None)
    return bool(getattr(model, "_supports_sdpa", False))
