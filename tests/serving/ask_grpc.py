"""Asks a server by gRPC, in the Open Inference Protocol, with KServe's client; run as a program.

    python ask_grpc.py ADDRESS MODEL COLUMNS.json ANSWER.json

The columns are a list of texts by the name of the input; the answer is written in the form of REST.
"""

import asyncio
import json
import sys

from kserve import InferenceGRPCClient, InferInput, InferRequest


def main(address, model, columns_file, answer_file):
    with open(columns_file) as file:
        columns = json.load(file)
    inputs = [
        InferInput(name, [len(texts)], "BYTES", [text.encode() for text in texts])
        for name, texts in columns.items()
    ]

    async def ask():
        return await InferenceGRPCClient(address).infer(InferRequest(model, inputs))

    response = asyncio.run(ask())
    outputs = []
    for output in response.outputs:
        values = output.as_numpy().ravel().tolist()
        values = [value.decode() if isinstance(value, bytes) else value for value in values]
        outputs.append({"name": output.name, "shape": list(output.shape), "data": values})
    with open(answer_file, "w") as file:
        json.dump({"model_version": response.model_version, "outputs": outputs}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
