#!/usr/bin/env python3
"""Writes tests/fixtures/cross-encoder: a model in the shape of a published cross-encoder, small enough to read.

    python3 -m venv .asktwice/onnx && .asktwice/onnx/bin/pip install onnx==1.23.2
    .asktwice/onnx/bin/python scripts/tiny_cross_encoder.py

Its logit for a pair is how many pairs of equal tokens the two texts have, so that a test knows every score by counting
words: the tokens of the question are those of type 0, the tokens of the passage those of type 1, as in BERT.
"""

import json
from pathlib import Path

from onnx import TensorProto, checker, helper, numpy_helper
import numpy

FOLDER = Path(__file__).resolve().parent.parent / "tests/fixtures/cross-encoder"
WORDS = "where is my order late food was cold the it refund money".split()


def model():
    def column(name, values):
        return numpy_helper.from_array(numpy.array(values, dtype=numpy.int64), name)

    def tokens(name):
        return helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])

    nodes = [
        helper.make_node("Unsqueeze", ["input_ids", "last"], ["rows"]),
        helper.make_node("Unsqueeze", ["input_ids", "middle"], ["columns"]),
        helper.make_node("Equal", ["rows", "columns"], ["same"]),
        helper.make_node("Cast", ["same"], ["equal"], to=TensorProto.FLOAT),
        # What is masked out is of neither text.
        helper.make_node("Sub", ["attention_mask", "token_type_ids"], ["question_tokens"]),
        helper.make_node("Cast", ["question_tokens"], ["question"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["passage"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["question", "last"], ["question_rows"]),
        helper.make_node("Unsqueeze", ["passage", "middle"], ["passage_columns"]),
        helper.make_node("Mul", ["question_rows", "passage_columns"], ["across"]),
        helper.make_node("Mul", ["equal", "across"], ["shared"]),
        helper.make_node("ReduceSum", ["shared", "both"], ["count"], keepdims=0),
        helper.make_node("Unsqueeze", ["count", "middle"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "cross-encoder",
        [tokens("input_ids"), tokens("attention_mask"), tokens("token_type_ids")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])],
        [column("middle", [1]), column("last", [2]), column("both", [1, 2])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(made)
    return made.SerializeToString()


def tokenizer():
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate(specials + WORDS)}
    added = [
        {"id": vocabulary[name], "content": name, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for name in specials
    ]
    special = {name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]} for name in ["[CLS]", "[SEP]"]}

    def token(name, kind):
        return {"SpecialToken": {"id": name, "type_id": kind}}

    question, passage = ({"Sequence": {"id": name, "type_id": kind}} for name, kind in [("A", 0), ("B", 1)])
    single = [token("[CLS]", 0), question, token("[SEP]", 0)]
    return {
        "version": "1.0",
        # As published tokenizers are: with a truncation and a padding that nobody wants here.
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, passage, token("[SEP]", 1)],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.joinpath("model.onnx").write_bytes(model())
    config = {"model_type": "bert", "num_labels": 1, "max_position_embeddings": 32}
    for name, content in [("tokenizer.json", tokenizer()), ("config.json", config)]:
        FOLDER.joinpath(name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
