#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a small language model, letter by letter, on the licence texts that every Debian
carries.

A real network in plain Python: four letters in, an embedding, one hidden layer, the next letter
out; stochastic gradient descent, the same numbers on every machine (fixed seed). Writes in the
current folder checkpoint.json after each epoch (and goes on from it when there is one) and at
the end result.json: the loss per epoch and a few lines that the model made up.

Environment: EPOCHS (10), STEPS of training per epoch (3500).
"""
import json
import math
import operator
import os
import pathlib
import random
import time

TEXTS = ("Apache-2.0", "Artistic", "GPL-2", "GPL-3", "LGPL-2.1", "MPL-2.0")
LETTERS = " abcdefghijklmnopqrstuvwxyz.,"
CONTEXT, EMBEDDING, HIDDEN = 4, 8, 24
RATE_FIRST, RATE_LAST = 0.08, 0.005
EPOCHS = int(os.environ.get("EPOCHS", 10))
STEPS = int(os.environ.get("STEPS", 3500))
CHECKPOINT, RESULT = pathlib.Path("checkpoint.json"), pathlib.Path("result.json")


def read_text():
    """The licences as numbers: small letters, blanks, dots and commas; all else is a blank."""
    text = ""
    for name in TEXTS:
        path = pathlib.Path("/usr/share/common-licenses") / name
        if path.exists():
            text += path.read_text(errors="replace").lower() + " "
    words = "".join(c if c in LETTERS else " " for c in text).split()
    return [LETTERS.index(c) for c in " ".join(words)]


def dot(a, b):
    return sum(map(operator.mul, a, b))


def new_model(chance):
    def matrix(rows, columns):
        size = 1 / math.sqrt(columns)
        return [[chance.uniform(-size, size) for _ in range(columns)] for _ in range(rows)]
    return {"embedding": matrix(len(LETTERS), EMBEDDING),
            "hidden": matrix(HIDDEN, CONTEXT * EMBEDDING), "hidden_bias": [0.0] * HIDDEN,
            "output": matrix(len(LETTERS), HIDDEN), "output_bias": [0.0] * len(LETTERS)}


def forward(m, context):
    """What the next letter may be: (inputs, hidden values, probability of each letter)."""
    x = [v for letter in context for v in m["embedding"][letter]]
    h = [math.tanh(dot(row, x) + b) for row, b in zip(m["hidden"], m["hidden_bias"])]
    scores = [dot(row, h) + b for row, b in zip(m["output"], m["output_bias"])]
    highest = max(scores)
    weights = [math.exp(s - highest) for s in scores]
    total = sum(weights)
    return x, h, [w / total for w in weights]


def learn(m, context, letter, rate):
    """One step of gradient descent; returns the loss before it, in nats."""
    x, h, p = forward(m, context)
    loss = -math.log(max(p[letter], 1e-12))
    p[letter] -= 1
    back_h = [0.0] * HIDDEN
    for i, error in enumerate(p):
        row = m["output"][i]
        back_h = [b + error * w for b, w in zip(back_h, row)]
        step = rate * error
        m["output"][i] = [w - step * v for w, v in zip(row, h)]
        m["output_bias"][i] -= step
    back_x = [0.0] * len(x)
    for i, (error, value) in enumerate(zip(back_h, h)):
        error *= 1 - value * value
        row = m["hidden"][i]
        back_x = [b + error * w for b, w in zip(back_x, row)]
        step = rate * error
        m["hidden"][i] = [w - step * v for w, v in zip(row, x)]
        m["hidden_bias"][i] -= step
    for place, known in enumerate(context):
        part = back_x[place * EMBEDDING:(place + 1) * EMBEDDING]
        m["embedding"][known] = [w - rate * g for w, g in zip(m["embedding"][known], part)]
    return loss


def sample(m, chance, count=60, start="the "):
    letters = [LETTERS.index(c) for c in start]
    for _ in range(count):
        p = forward(m, letters[-CONTEXT:])[2]
        letters.append(chance.choices(range(len(LETTERS)), p)[0])
    return "".join(LETTERS[i] for i in letters)


def save(path, value):
    """Whole or not at all."""
    aside = path.with_suffix(".new")
    with open(aside, "w") as f:
        json.dump(value, f)
        f.flush()
        os.fsync(f.fileno())
    aside.rename(path)


def load(chance):
    if not CHECKPOINT.exists():
        return new_model(chance), []
    state = json.loads(CHECKPOINT.read_text())
    print(f"going on after epoch {len(state['losses'])}, found in {CHECKPOINT}", flush=True)
    return state["model"], state["losses"]


def main():
    begin = time.monotonic()
    text = read_text()
    model, losses = load(random.Random(1))
    print(f"job {os.environ.get('FIREFLY_JOB_ID', '-')}, GPUs "
          f"{os.environ.get('CUDA_VISIBLE_DEVICES', '-')}: {len(text)} letters of licences, "
          f"{EPOCHS} epochs of {STEPS} steps", flush=True)
    for epoch in range(len(losses), EPOCHS):
        chance = random.Random(1000 + epoch)  # the same whether resumed or not
        rate = RATE_FIRST + (RATE_LAST - RATE_FIRST) * epoch / max(EPOCHS - 1, 1)
        total = 0.0
        for _ in range(STEPS):
            at = chance.randrange(len(text) - CONTEXT)
            total += learn(model, text[at:at + CONTEXT], text[at + CONTEXT], rate)
        losses.append(round(total / STEPS, 4))
        save(CHECKPOINT, {"model": model, "losses": losses})
        print(f"epoch {epoch + 1:2}  loss {losses[-1]:.4f}  {sample(model, chance, 40)!r}",
              flush=True)
    samples = [sample(model, random.Random(i)) for i in range(3)]
    save(RESULT, {"losses": losses, "first_loss": losses[0], "last_loss": losses[-1],
                  "steps": EPOCHS * STEPS, "letters": len(text), "samples": samples,
                  "seconds": round(time.monotonic() - begin, 1)})
    print(f"result in {RESULT}: loss {losses[0]:.3f} -> {losses[-1]:.3f}", flush=True)


main()
