"""Makes what all sides of `make bench-embed` share, in .asktwice/bench: one model folder and the texts.

The default model's ONNX files run texts one at a time and know no attention mask; the peers fill batches up with padding
and need one. So the mask is added: everything else is the same file. Texts are drawn with a fixed seed from the help
centre that comes with the program.
"""
import hashlib
import json
import os
import random
import shutil
import sys

import onnx
from onnx import TensorProto, helper
from tokenizers import Tokenizer

MODEL = ".asktwice/models/all-MiniLM-L6-v2"
HELP_CENTRE = "examples/help-centre"
MAX_TOKENS = 256
# Which input of an attention operator is its mask.
MASK_INPUT = {"Attention": 3, "QAttention": 5}


def with_mask(source, target):
    """Copies an ONNX file, with an attention mask."""
    model = onnx.load(source)
    graph = model.graph
    shape = ["batch", "tokens"]
    graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, shape))
    attentions = [node for node in graph.node if node.op_type in MASK_INPUT]
    if not attentions:
        sys.exit(f"{source} has no attention that a mask could be given to")
    for node in attentions:
        at = MASK_INPUT[node.op_type]
        node.input.extend([""] * (at + 1 - len(node.input)))
        node.input[at] = "mask"
    cast = helper.make_node("Cast", ["attention_mask"], ["mask"], name="mask", to=TensorProto.INT32)
    graph.node.insert(0, cast)
    onnx.save(model, target)


def model(home):
    """The folder that all sides open: ours reads the settings beside the model, the peers want two files more."""
    os.makedirs(f"{home}/1_Pooling", exist_ok=True)
    for file in ["config.json", "tokenizer.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"]:
        shutil.copy(f"{MODEL}/{file}", f"{home}/{file}")
    words = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
    with open(f"{home}/special_tokens_map.json", "w", encoding="utf-8") as file:
        json.dump(words, file)
    with open(f"{home}/tokenizer_config.json", "w", encoding="utf-8") as file:
        json.dump({"model_max_length": MAX_TOKENS, "tokenizer_class": "BertTokenizer", **words}, file)
    for file in ["model.onnx", "model_int8.onnx"]:
        with_mask(f"{MODEL}/{file}", f"{home}/{file}")
    manifest(home)


def manifest(home):
    """What `asktwice import-model` writes too: with it, every file is checked before it is used."""
    hashes = {}
    for folder, _, names in os.walk(home):
        for path in (f"{folder}/{name}" for name in names if name != "asktwice.json"):
            with open(path, "rb") as file:
                hashes[os.path.relpath(path, home)] = hashlib.sha256(file.read()).hexdigest()
    # A mask changes no weight: what either folder has indexed, the other may search.
    with open(f"{MODEL}/asktwice.json", encoding="utf-8") as file:
        weights = json.load(file)["weights"]
    with open(f"{home}/asktwice.json", "w", encoding="utf-8") as file:
        json.dump({"name": "bench", "weights": weights, "files": hashes}, file)


def tokens(tokenizer, text):
    return len(tokenizer.encode(text).ids)


def questions(tokenizer, count=400):
    """Questions of 10 to 14 tokens, 12 on average, no two alike."""
    things = ["pizza", "refund", "courier", "voucher", "account", "receipt", "payment", "basket"]
    forms = ["why is the {} of order {} not here?", "where is my {} for order {} today?",
             "how do i change the {} of order {}?", "who has the {} from order {} now?"]
    made = (forms[n % len(forms)].format(things[n % len(things)], n) for n in range(100_000))
    return [text for _, text in zip(range(count), (text for text in made if 10 <= tokens(tokenizer, text) <= 14))]


def passages(tokenizer, draw, count=2_000):
    """Passages of 10 to 250 tokens, about 90 on average: sentences of the help centre, cut to a drawn length."""
    with open(f"{HELP_CENTRE}/corpus.jsonl", encoding="utf-8") as lines:
        words = " ".join(json.loads(line)["text"] for line in lines).split()
    made = []
    for _ in range(count):
        length = min(250, max(10, round(draw.lognormvariate(4.32, 0.62))))
        begin = draw.randrange(len(words) - 300)
        # A word is at least a token, so this is enough.
        text = " ".join(words[begin:begin + length])
        ends = tokenizer.encode(text).offsets[:length - 1]
        made.append(text[:ends[-1][1]])
    return made


def abstracts(folder, count=1_000):
    """The first abstracts of SciFact; none where it is absent."""
    if not os.path.exists(f"{folder}/corpus.jsonl"):
        return []
    with open(f"{folder}/corpus.jsonl", encoding="utf-8") as lines:
        documents = [json.loads(line) for _, line in zip(range(count), lines)]
    return [f"{document['title']} {document['text']}" for document in documents]


def main(home, scifact):
    os.makedirs(home, exist_ok=True)
    tokenizer = Tokenizer.from_file(f"{MODEL}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    draw = random.Random(20240607)
    texts = {"questions": questions(tokenizer), "passages": passages(tokenizer, draw), "abstracts": abstracts(scifact)}
    for name, made in texts.items():
        with open(f"{home}/{name}.json", "w", encoding="utf-8") as file:
            json.dump(made, file)
        lengths = [tokens(tokenizer, text) for text in made]
        if made:
            print(f"{len(made)} {name}: {min(lengths)} to {max(lengths)} tokens, {sum(lengths) / len(made):.1f} on average")
    model(f"{home}/model")


main(*sys.argv[1:])
