"""Tensors of a file that no part of a model took. Some lie in many files and mean nothing for a picture; any other may
change what the weights beside it mean, and is never passed over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch

from pipelines.errors import ModelError

# Buffers of old libraries, the half of CLIP that sees, the head of T5, what training left behind
_HARMLESS = re.compile(
    r"(?:.*\.)?(?:position_ids|logit_scale|text_projection(?:\.weight|\.bias)?|attn_mask|num_batches_tracked)"
    r"|(?:.*\.)?(?:vision_model|visual|visual_projection|model_ema|loss)\..*|lm_head\..*"
)
_EITHER = r"\.(?:weight|bias)"
_TEXT = re.compile(
    r"(?:cond_stage_model|conditioner\.embedders\.\d+|text_encoders\.\w+)\.(?:transformer\.|model\.)?(?:"
    r"(?:text_model\.)?(?:embeddings\.(?:token|position)_embedding\.weight"
    rf"|encoder\.layers\.\d+\.(?:self_attn\.(?:[qkv]|out)_proj|mlp\.fc[12]|layer_norm[12]){_EITHER}"
    rf"|final_layer_norm{_EITHER})"
    rf"|positional_embedding|token_embedding\.weight|ln_final{_EITHER}"
    rf"|transformer\.resblocks\.\d+\.(?:attn\.in_proj_(?:weight|bias)"
    rf"|(?:attn\.out_proj|ln_[12]|mlp\.c_(?:fc|proj)){_EITHER}))"
)
TEXT_PARTS = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")


def refuse(names: Iterable[str]) -> None:
    """Raises `ModelError` unless all of these mean nothing."""
    unknown = [name for name in names if not _HARMLESS.fullmatch(name)]
    if unknown:
        raise ModelError("tensor_unknown", name=unknown[0], count=len(unknown))


def refuse_unconverted(tensors: Mapping[str, torch.Tensor], prefix: str, converted: Mapping[str, torch.Tensor]) -> None:
    """Those below `prefix` that a converter to diffusers' names left out: it hands on the very tensors, or views from
    their first number on."""
    taken = {tensor.data_ptr() for tensor in converted.values()}
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    refuse(name.removeprefix(prefix) for name, tensor in own.items() if tensor.data_ptr() not in taken)


def refuse_in_text(tensors: Iterable[str]) -> None:
    """Those of the CLIP encoders in a single file, in the names of transformers and of OpenCLIP."""
    refuse(name for name in tensors if name.startswith(TEXT_PARTS) and not _TEXT.fullmatch(name))
