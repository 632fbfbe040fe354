"""torch_loader.py: an endless labelled dataset as a PyTorch loader: nothing is written to disk.

usage: torch_loader.py GENERATOR INTERPRETER [WORKERS]     (datasetgan.py on the Python path; PyTorch)
"""
import sys

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import datasetgan as dg


class Samples(IterableDataset):
    """(picture, label) pairs; every worker opens the files itself and draws its own part of the seeds."""

    def __init__(self, generator, interpreter, count, **settings):
        self.generator, self.interpreter, self.count, self.settings = generator, interpreter, count, settings

    def __iter__(self):
        worker = get_worker_info()
        shard, shards = (worker.id, worker.num_workers) if worker else (0, 1)
        stream = dg.Stream(dg.Generator(self.generator), dg.Interpreter(self.interpreter), self.count, shard=shard, shards=shards, **self.settings)
        for s in stream:                                     # a sample's arrays are its own: torch takes them as they are
            yield torch.from_numpy(s.picture).permute(2, 0, 1), torch.from_numpy(s.label)


def main():
    generator, interpreter, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0
    torch.manual_seed(0)
    classes = len(dg.Interpreter(interpreter).classes)
    net = torch.nn.Conv2d(dg.Generator(generator).channels, classes, 3, padding=1)
    adam = torch.optim.Adam(net.parameters(), lr=1e-2)
    loader = DataLoader(Samples(generator, interpreter, count=32), batch_size=8, num_workers=workers,
                        multiprocessing_context="spawn" if workers else None)        # fork would leave OpenMP's threads behind
    for step, (picture, label) in enumerate(loader):
        loss = torch.nn.functional.cross_entropy(net(picture.float() / 127.5 - 1), label.long())
        adam.zero_grad()
        loss.backward()
        adam.step()
        print(f"step {step}: {tuple(picture.shape)}, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
