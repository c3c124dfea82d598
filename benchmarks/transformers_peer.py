"""The peer's figures of docs/performance.md: a LLaMA-7B shape, random bfloat16 weights, batch 1, run by transformers on CUDA.

    python benchmarks/transformers_peer.py [--prompt 2048] [--tokens 128] [--rounds 8] [--compile]

Timed as `generated bench` does: one round to warm up, then the best of the rounds; decoding is what `generate` takes for
all tokens but the first, each seen by the host. --compile adds generate with a static cache, which compiles its steps.
"""
import argparse
import time

import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("--prompt", type=int, default=2048)
parser.add_argument("--tokens", type=int, default=128)
parser.add_argument("--rounds", type=int, default=8)
parser.add_argument("--compile", action="store_true")
options = parser.parse_args()

torch.set_default_dtype(torch.bfloat16)
with torch.device("cuda"):
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig()).eval()  # the config's defaults are LLaMA-7B's
ids = torch.randint(1, 32000, (1, options.prompt), device="cuda")
mask = torch.ones_like(ids)


def best(work, rounds):
    """Seconds of the fastest round after one that is not counted."""
    times = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def generate(count, **how):
    model.generate(ids, attention_mask=mask, max_new_tokens=count, min_new_tokens=count, do_sample=False, pad_token_id=0, **how)


def decode(**how):
    """Tokens per second after the first."""
    one = best(lambda: generate(1, **how), options.rounds)
    return (options.tokens - 1) / (best(lambda: generate(options.tokens, **how), max(1, options.rounds // 2)) - one)


with torch.inference_mode():
    print(torch.cuda.get_device_name(), "torch", torch.__version__, "transformers", transformers.__version__, model.config._attn_implementation, flush=True)
    prefill = best(lambda: model(ids, use_cache=True, logits_to_keep=1), options.rounds)
    print(f"prefill of {options.prompt}: {options.prompt / prefill:.0f} tokens/s", flush=True)
    print(f"decode, eager: {decode():.1f} tokens/s", flush=True)
    if options.compile:
        print(f"decode, static cache and torch.compile: {decode(cache_implementation='static'):.1f} tokens/s", flush=True)
