"""Exports MiniLM for ONNX Runtime, in 32-bit floats and with one-byte weights, for `benches/engines`.

python export.py MODEL_FOLDER OUT_FOLDER    needs torch, transformers, onnx, onnxruntime
"""

import sys
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import BertModel


class Hidden(torch.nn.Module):
    """The last hidden state of one sequence, as the bench pools it: the mean over all its word pieces."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask):
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(mean, dim=1)


def main(model, out):
    out.mkdir(parents=True, exist_ok=True)
    bert = BertModel.from_pretrained(model, attn_implementation="eager").eval()
    ids = torch.tensor([[101, 2773, 2773, 102], [101, 2773, 102, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "pieces"}
    torch.onnx.export(
        Hidden(bert),
        (ids, mask),
        str(out / "exported.onnx"),
        input_names=["input_ids", "attention_mask"],
        output_names=["embedding"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    # The operators that ONNX Runtime has fused by hand (attention, GELU, layer normalisation): its best.
    fused = optimizer.optimize_model(str(out / "exported.onnx"), model_type="bert", num_heads=12, hidden_size=384)
    fused.save_model_to_file(str(out / "f32.onnx"))
    quantize_dynamic(
        str(out / "f32.onnx"),
        str(out / "int8.onnx"),
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=False,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    (out / "exported.onnx").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
