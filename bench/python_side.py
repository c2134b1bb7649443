"""The Python package `fastembed`'s side of `make bench-embed`: does one task and prints what came of it as one line of
JSON. The tasks are those of `benches/embed.rs`, the settings those of `bench/src/main.rs`.
"""
import sys
import time

import json
import threading


def settings():
    return dict(argument.split("=", 1) for argument in sys.argv[2:])


SETTINGS = settings()
TICK = 0.01


def number(key, default=0):
    return int(SETTINGS.get(key, default))


def texts():
    with open(SETTINGS["texts"], encoding="utf-8") as file:
        return json.load(file)


def model():
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType
    int8 = SETTINGS["precision"] == "int8"
    TextEmbedding.add_custom_model(
        model="the-same-model", pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf="nobody/nothing"),
        dim=384, model_file="model_int8.onnx" if int8 else "model.onnx")
    return TextEmbedding("the-same-model", specific_model_path=SETTINGS["model"], threads=number("threads") or None)


def embed(encoder, given):
    batch = {"batch_size": number("batch")} if number("batch") else {}
    return list(encoder.embed(given, **batch))


def alone(encoder):
    given, times, begin = texts(), [], time.perf_counter()
    for text in given[:5]:
        embed(encoder, [text])
    while time.perf_counter() - begin < number("milliseconds", 3000) / 1e3:
        asked = time.perf_counter()
        embed(encoder, [given[len(times) % len(given)]])
        times.append((time.perf_counter() - asked) * 1e3)
    times.sort()
    return {"p50_ms": times[len(times) // 2], "p95_ms": times[len(times) * 95 // 100], "calls": len(times)}


def callers(encoder):
    given, asked, begin = texts(), [], time.perf_counter()

    def caller(n):
        while time.perf_counter() - begin < number("milliseconds", 3000) / 1e3:
            embed(encoder, [given[n % len(given)]])
            n += 1
            asked.append(1)

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(number("callers", 8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"per_second": len(asked) / (time.perf_counter() - begin), "calls": len(asked)}


def everything(encoder):
    given, begin = texts(), time.perf_counter()
    embed(encoder, given)
    return {"per_second": len(given) / (time.perf_counter() - begin), "count": len(given)}


def cold(encoder):
    embed(encoder, texts()[:1])
    return {"rss_mb": status("VmRSS")}


def idle(encoder):
    for text in texts()[:50]:
        embed(encoder, [text])
    before, begin = time.process_time(), time.perf_counter()
    time.sleep(3)
    return {"idle_percent": 100 * (time.process_time() - before) / (time.perf_counter() - begin)}


def same(encoder):
    given = texts()
    together = embed(encoder, given)
    cosine = lambda a, b: float(a @ b / ((a @ a) * (b @ b)) ** 0.5)
    return {"least_cosine": min(cosine(embed(encoder, [text])[0], among) for text, among in zip(given, together))}


def status(line):
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(text.split()[1]) * 1024 / 1e6 for text in file if text.startswith(line))


def main():
    encoder = model()
    tasks = {"alone": alone, "callers": callers, "all": everything, "cold": cold, "idle": idle, "same": same}
    found = tasks[sys.argv[1]](encoder)
    import importlib.metadata
    found["peak_mb"] = status("VmHWM")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("fastembed", "onnxruntime")]
    found["version"] = f"{versions[0]} (Python); {versions[1]}"
    print(json.dumps(found))


main()
