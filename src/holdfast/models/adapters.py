"""What is trained of a network: attach, switch off, load, save, measure. A LoRA adapter, by PEFT's layers and PEFT's
files, or the weights themselves (``full``).

Layers are put into the model itself, with no wrapper around it, and remembered: switching them off sets a flag on
each instead of walking all modules. A network holds one adapter; another of the same kind is copied into its tensors.
Whenever anything is put in or taken out, the base is compared with what it was: an adapter that moves it is refused.
Adapters are fp32 whatever the base is. Hu et al. 2021 (LoRA): W + scale · B A, scale = alpha / rank, or alpha / √rank
(rsLoRA, Kalajdzievski 2023, arXiv 2312.03732).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import safetensors.torch
import torch
from peft.tuners.lora import LoraConfig, LoraLayer
from peft.utils.integrations import dequantize_module_weight
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from holdfast import rng
from holdfast.config.study import LoraSpec
from holdfast.models import full, joint_lora
from holdfast.models.network import Network
from holdfast.store import files
from holdfast.store.adapter_files import MERGED, PREFIX, check_adapter, essential, file_names
from holdfast.types import UserError

NAME = "default"


@dataclass(frozen=True)
class Attached:
    """The adapter in a network: its configuration as written to disk, and its layers by module name, sorted."""

    config: Mapping[str, Any]
    layers: Mapping[str, Any]  # of LoraLayer, which PEFT does not type as the module it is
    tensors: Mapping[str, nn.Parameter]

    def takes(self, config: Mapping[str, Any]) -> bool:
        """Whether an adapter of that configuration can be copied into these tensors."""
        return essential(self.config) == essential(config)

    @property
    def beside(self) -> int:
        """Numbers that the model has more with it than without."""
        return sum(tensor.numel() for tensor in self.tensors.values())

    @contextmanager
    def off(self) -> Iterator[None]:
        """Within it the layers are the base's."""
        before = {name: layer._disable_adapters for name, layer in self.layers.items()}
        for layer in self.layers.values():
            layer._disable_adapters = True
        try:
            yield
        finally:
            for name, layer in self.layers.items():
                layer._disable_adapters = before[name]

    def remove(self, model: nn.Module, merge: bool) -> None:
        """The base's layers back, or with ``merge`` what base and adapter were together."""
        for name, layer in self.layers.items():
            if merge:
                layer.merge(safe_merge=True)
            model.set_submodule(name, layer.get_base_layer())
        if hasattr(model, "peft_config"):
            del model.peft_config

    def scale(self, by: float) -> None:
        """The change of the weights times this. Raises UserError for a DoRA, whose magnitudes it would not fit."""
        for name, layer in self.layers.items():
            if NAME in layer.lora_magnitude_vector:
                raise UserError(f"a DoRA (on {name}) has no scaled one: between it and its base lies no DoRA")
            for kept in (layer.lora_B, layer.lora_embedding_B):
                if NAME in kept:
                    getattr(kept[NAME], "weight", kept[NAME]).mul_(by)

    def norm(self) -> float:
        """Frobenius norm of the change of the weights over all modules together: of scale · B A, and of DoRA (Liu et
        al. 2024, arXiv 2402.09353) of m (w + scale · B A) / ‖w + scale · B A‖ − w, for a row w with its magnitude m.

        ‖B A‖² = Σ (Bᵀ B) ∘ (A Aᵀ), which needs no matrix of the weight's size.
        """
        total = 0.0
        for layer in self.layers.values():
            a, b, scale = layer.lora_A[NAME].weight.double(), layer.lora_B[NAME].weight.double(), layer.scaling[NAME]
            if NAME not in layer.lora_magnitude_vector:
                total += scale**2 * float(((b.T @ b) * (a @ a.T)).sum())
                continue
            lengths, w_OD = layer.lora_magnitude_vector[NAME], dequantize_module_weight(layer.get_base_layer()).float()
            # Of the new rows in fp32 as in the forward, so that what has not moved has moved by exactly nothing.
            new_O = lengths.get_weight_norm(w_OD, (b @ a).float(), scale)
            w_OD = (w_OD.T if layer.fan_in_fan_out else w_OD).double()
            turned_OD = (w_OD + scale * b @ a) * (lengths.weight / new_O).unsqueeze(1)
            total += float((turned_OD - w_OD).square().sum())
        return math.sqrt(max(total, 0.0))


def attach_weights(network: Network, which: full.Which) -> None:
    """The weights themselves, trainable, in place of whatever is attached. Raises UserError as ``full.copied``."""
    detach(network)
    _keep_sound(network)
    network.trained = full.copied(network, _of_weights(network, which), trainable=True)


def attach(network: Network, lora: LoraSpec, *names: rng.Name) -> None:
    """A new, trainable adapter, in place of any that is there.

    A is uniform in ±1/√in (what PEFT's kaiming initialisation is), from the stream named by ``names`` and the module's
    name: equal over objectives, devices and the order of modules. B is zero, and a DoRA's magnitudes are the lengths of
    the base's rows, so the network is the base.
    """
    targets = _linear_layers(network) if lora.targets == "all-linear" else sorted(lora.targets)
    alpha: Any = int(lora.alpha) if float(lora.alpha).is_integer() else lora.alpha  # serving engines want an int
    config = LoraConfig(
        task_type="CAUSAL_LM", r=lora.rank, lora_alpha=alpha, lora_dropout=lora.dropout, target_modules=targets,
        use_rslora=lora.rslora, use_dora=lora.dora,
    )  # fmt: skip
    detach(network)
    _inject(network, _plain(config, network))
    with torch.no_grad():
        for name, layer in network.trained.layers.items():
            if NAME not in layer.lora_A:
                detach(network)
                raise UserError(f"LoRA is trained on linear layers, and {name} is none: leave it out of `targets`")
            # Drawn on the processor, whatever the device, and by module: the same numbers for every objective, machine
            # and order of modules. `controls.json` proves it (`lora_init`).
            stream = torch.Generator().manual_seed(rng.seed(*names, name))
            a, b = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
            bound = 1 / math.sqrt(a.shape[1])
            a.copy_(torch.empty(a.shape).uniform_(-bound, bound, generator=stream))
            b.zero_()
            if lora.dora:  # PEFT took the lengths in the base's precision, in which the new layer would not be the base
                lengths, w_OD = layer.lora_magnitude_vector[NAME], dequantize_module_weight(layer.get_base_layer())
                lengths.weight.copy_(lengths.get_weight_norm(w_OD.float(), b @ a, layer.scaling[NAME]))


def detach(network: Network, *, merge: bool = False) -> None:
    """Take out what is attached; the model is what it was before, or with ``merge`` what both were together.

    Raises ``UserError`` where the base is not what it was.
    """
    if network.trained is None:
        return
    network.trained.remove(network.model, merge)
    network.trained = None
    if merge:
        network.sound = None
        network.directions.clear()  # of another base
    else:
        _check_base(network, "the adapter that was taken out")


def off(network: Network) -> AbstractContextManager[None]:
    """Within it the network is the base model."""
    return nullcontext() if network.trained is None else network.trained.off()


@contextmanager
def dropout(network: Network, *names: rng.Name) -> Iterator[None]:
    """Within it the adapter's dropout is on, its noise from the stream of these names; elsewhere it is off.

    The noise depends on how a step is split into micro-batches; name the micro-batch too.
    """
    modules = [d for layer in network.trained.layers.values() for d in layer.lora_dropout.values()]
    modules = [d for d in modules if isinstance(d, nn.Dropout)]
    if not modules:
        yield
        return
    gpus = [device for device in network.devices if device.type == "cuda"]
    with torch.random.fork_rng(gpus):
        torch.manual_seed(rng.seed(*names))
        for k in range(1, len(gpus)):  # else two layers, each the first on its GPU, would drop the same
            torch.cuda.default_generators[k].manual_seed(rng.seed(*names, k))
        for module in modules:
            module.training = True
        try:
            yield
        finally:
            for module in modules:
                module.training = False


def trainable(network: Network) -> dict[str, nn.Parameter]:
    """What is trained by its name on disk, sorted."""
    return {} if network.trained is None else dict(network.trained.tensors)


def save(network: Network, folder: Path | str) -> None:
    """Write the adapter in PEFT's format, or the trained weights (``adapter_files``). What is equal gives equal bytes;
    no path of this machine is in them."""
    tensors = {name: p.detach().cpu().contiguous() for name, p in trainable(network).items()}
    config, weights = (Path(folder) / name for name in file_names(network.trained.config))
    with files.replacing(weights) as temporary:  # not by way of bytes: all weights a second time in memory
        safetensors.torch.save_file(tensors, temporary, {"format": "pt"})
    files.write_text(config, json.dumps(network.trained.config, indent=2, sort_keys=True) + "\n")


def load(network: Network, folder: Path | str) -> None:
    """The adapter of this folder, or the weights, in place of what is attached. Weights are in the base's precision.

    Raises ``UserError`` for a folder that holds neither, for those of another model, and for what is damaged or changes
    the base itself.
    """
    folder = Path(folder)
    config = check_adapter(folder)
    _, name = file_names(config)
    try:
        tensors = safetensors.torch.load_file(folder / name)
    except Exception as error:
        raise UserError(f"the adapter at {folder} cannot be read ({name}: {error})") from error
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise UserError(f"the adapter at {folder} is damaged: {name} holds numbers that are not finite")
    if network.trained is None or not network.trained.takes(config):
        detach(network)
        if "trainable" in config:
            _keep_sound(network)
            network.trained = full.copied(network, config, trainable=False)
        else:
            _inject(network, config, folder)
    own = trainable(network)
    # What the file holds beside the adapter: PEFT writes the base's own matrix there for adapted heads and embeddings.
    copies = {name: tensors.pop(name) for name in sorted(set(tensors) - set(own))}
    try:
        _fits(network, folder, tensors, copies)
    except UserError:
        detach(network)
        raise
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def _fits(network: Network, folder: Path, tensors: Mapping[str, Tensor], copies: Mapping[str, Tensor]) -> None:
    """Raises ``UserError`` where the tensors are not those of the layers that are there. PEFT writes copies of the base
    beside an adapter on the head or the embeddings, which must be this base's."""
    who = f"the adapter at {folder} does not fit {network.spec.name}"
    for name, p in trainable(network).items():
        if name not in tensors:
            raise UserError(f"{who}: it has no {name}, so it is another model's or was saved in part")
        if tensors[name].shape != p.shape:
            mine, there = tuple(tensors[name].shape), tuple(p.shape)
            raise UserError(f"{who}: its {name} is {mine} and would have to be {there}, so it is another model's")
    base = dict(_base_tensors(network))
    for name, copy in copies.items():
        weight = base.get(name.removeprefix(PREFIX).replace(".base_layer.", "."))
        if weight is None:
            raise UserError(f"{who}: it has {name}, for which there is no place, so it is another model's")
        weight, copy = weight.detach().cpu(), copy.cpu()
        if weight.shape != copy.shape or not (
            torch.equal(weight.to(copy.dtype), copy) or torch.equal(weight, copy.to(weight.dtype))
        ):
            raise UserError(f"the adapter at {folder} changes more than LoRA layers (its {name} is not the base's)")


def fingerprint(network: Network) -> str:
    """Digest of the adapter's tensors as they are now (of the initialisation, when nothing is trained yet)."""
    hashed = hashlib.sha256()
    for name, tensor in trainable(network).items():
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        hashed.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


@torch.no_grad()
def norm(network: Network) -> float:
    """Frobenius norm of the change of the weights, over all together."""
    return 0.0 if network.trained is None else network.trained.norm()


@torch.no_grad()
def scale(network: Network, by: float) -> None:
    """The change of all weights times this: of 0.5 the network lies halfway between the base and where it was. Raises
    UserError for a DoRA."""
    network.trained.scale(by)


def _inject(network: Network, config: Mapping[str, Any], folder: Path | str | None = None) -> None:
    """PEFT's layers into the model, with whatever values; the global random state is left alone."""
    _keep_sound(network)
    who = f"the adapter at {folder}" if folder else "the adapter of this study"
    try:
        with torch.random.fork_rng([]):
            made = LoraConfig(task_type="CAUSAL_LM", inference_mode=True, **essential(config))
            peft.inject_adapter_in_model(made, network.model, NAME)
    except (ValueError, TypeError) as error:
        raise UserError(f"{who} does not fit {network.spec.name}: {str(error).splitlines()[0]}") from error
    layers: dict[str, Any] = {n: m for n, m in sorted(network.model.named_modules()) if isinstance(m, LoraLayer)}
    tensors = {}
    for module, layer in layers.items():
        layer.eval()  # a new module is in training mode, and its dropout would be on
        for part, parameter in layer.named_parameters():
            if ".base_layer." in f".{part}":
                continue
            parameter.data = parameter.data.float()
            tensors[_on_disk(module, part)] = parameter.requires_grad_(True)
    joint_lora.join(layers, NAME)
    network.trained = Attached(config, layers, dict(sorted(tensors.items())))
    _check_base(network, who)


def _keep_sound(network: Network) -> None:
    if network.sound is None:
        network.sound = base_fingerprint(network)


def _check_base(network: Network, who: str) -> None:
    if network.sound is not None and base_fingerprint(network) != network.sound:
        raise UserError(
            f"{who} changes the base model itself, so that what is measured next would not be the base: {MERGED}"
        )


@torch.no_grad()
def base_fingerprint(network: Network) -> str:
    """Digest of the base in memory, the same with an adapter in it or without.

    In it are the configuration, the modules, and of every weight and buffer shape, dtype and the sum of
    its bits: one pass over memory, which is as fast as it can be read.
    """
    # A sum of bits is no cryptographic digest. It is there to find mistakes, not enemies, at the speed of memory.
    hashed = hashlib.sha256(network.model.config.to_json_string(use_diff=False).encode())
    for name, module in _base_modules(network.model, ""):
        hashed.update(f"{name} {type(module).__qualname__} ".encode())
    sums: dict[tuple[int, int], int] = {}  # by place: a tied weight is summed once
    for name, tensor in _base_tensors(network):
        place = tensor.data_ptr(), tensor.numel()
        if place not in sums:
            # As bits and not as numbers: a change from 0.0 to -0.0, or within what a float sum rounds away, counts.
            bits = tensor.detach().contiguous().flatten().view(torch.uint8)
            wide = bits.view(torch.int32) if bits.numel() % 4 == 0 else bits
            sums[place] = int(wide.sum(dtype=torch.int64))
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} {sums[place]} ".encode())
    return hashed.hexdigest()


def _base_modules(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The base's modules by their names without an adapter."""
    if isinstance(module, LoraLayer):
        module = module.get_base_layer()
    yield name, module
    for part, child in module.named_children():
        yield from _base_modules(child, f"{name}.{part}" if name else part)


def _base_tensors(network: Network) -> list[tuple[str, Tensor]]:
    """Weights and buffers by name; not what a module keeps for itself (rotary frequencies may follow the length)."""
    found: list[tuple[str, Tensor]] = []
    with off(network):
        for name, module in _base_modules(network.model, ""):
            kept = [b for b in module.named_buffers(recurse=False) if b[0] not in module._non_persistent_buffers_set]
            for part, tensor in (*module.named_parameters(recurse=False), *kept):
                found.append((f"{name}.{part}" if name else part, tensor))
    return found


def _on_disk(module: str, part: str) -> str:
    """PEFT's name in files: the adapter's own name left out, and ``.weight`` after a DoRA magnitude too."""
    name = f"{PREFIX}{module}.{part}".replace(f".{NAME}", "")
    return name.removesuffix(".weight") if "lora_magnitude_vector" in name else name


def _linear_layers(network: Network) -> list[str]:
    """The last parts of the names of all linear layers of the body: the head is not in it."""
    found = {n.rpartition(".")[2] for n, m in network.decoder.named_modules() if isinstance(m, nn.Linear | Conv1D)}
    if network.trained is not None:  # seen through an adapter that is attached
        found -= {"base_layer", NAME}
        found |= {name.rpartition(".")[2] for name in network.trained.layers}
    return sorted(found)


def _plain(config: LoraConfig, network: Network) -> dict[str, Any]:
    """The configuration as JSON, without this machine in it."""
    plain = json.loads(json.dumps(config.to_dict(), default=sorted))
    plain["target_modules"] = sorted(plain["target_modules"])
    plain["base_model_name_or_path"] = _origin(network)
    plain["inference_mode"] = True
    return plain


def _of_weights(network: Network, which: full.Which) -> dict[str, Any]:
    """The configuration that is written beside weights."""
    return {"trainable": which, "base_model_name_or_path": _origin(network)}


def _origin(network: Network) -> str:
    path = network.spec.path
    return network.spec.name if Path(path).expanduser().exists() else path
