#!/usr/bin/env python3
"""Our work and other CPU runtimes' on the same networks, weights and z, in turn in one run (make bench-compare).

usage: compare.py BENCH [--csv build/compare.csv] [--work picture,label,train,dataset] [--sizes bundle,256,512,1024] [--batches 1] [--threads 2]
                  [--rounds 3] [--peers NAMES] [--ada CHECKOUT] [--cpu]

Every configuration runs in a process of its own: all peers are opened and run once, then in each round every peer and ours once, with a pause so
that no thread of the one before still spins.  The best time of each counts.  Rows already in the CSV are not run again; a peer that cannot be
installed, converted or run is a row that says so.  Errors: pictures against PyTorch in float64, in the picture's standard deviation; labels as the
part of pixels that differ from the official algorithm's (bundle: in float64).
--cpu: processor time instead of wall time, for a busy machine (with --threads 1).
"""
import argparse
import csv
import os
import subprocess
import sys
import time

PAUSE, TURN = 0.1, 0.1                                  # seconds: the others' threads go to sleep; a turn at least, run by run
FIELDS = ["date", "commit", "cpu", "work", "name", "batch", "threads", "clock", "peer", "best_ms", "median_ms", "worst_ms", "error", "error_unit", "note"]
KEY = ["work", "name", "batch", "threads", "clock", "peer"]
PICTURE = ("nvidia", "nvidia-unfused", "torch-grouped", "torch-const", "torch-last", "torch-compile", "onnxruntime", "openvino", "mnn", "ncnn")
LABEL = ("official", "improved")
TRAIN = ("torch", "torch-compile")
DATASET = ("openvino+improved+pillow",)
BUNDLE = "weights/blood128/generator.safetensors"


class Ours:
    """bench --turns: one run whenever asked."""

    def __init__(self, bench, *arguments):
        self.p = subprocess.Popen([bench, "--turns", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "ready\n":
            raise RuntimeError(f"bench --turns {arguments}: did not start")

    def ask(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()
        return self.p.stdout.readline()

    def go(self):
        return [float(v) for v in self.ask("go").split()]

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def cpu_name():
    with open("/proc/cpuinfo") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{names[0]} x{len(names)}" if names else "unknown"


def read_rows(path):
    if not os.path.exists(path):
        return []
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


class Table:
    """Appends rows of one configuration."""

    def __init__(self, a, work, name, batch, threads):
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
        self.path = a.csv
        self.base = {"date": time.strftime("%Y-%m-%d"), "commit": commit, "cpu": cpu_name(), "work": work, "name": name, "batch": batch, "threads": threads,
                     "clock": "processor" if a.cpu else "wall"}

    def add(self, peer, times=(), error="", unit="", note=""):
        t = sorted(times)
        row = {**self.base, "peer": peer, "error": f"{error:.2e}" if error != "" else "", "error_unit": unit, "note": note}
        if t:
            row |= {"best_ms": f"{t[0]:.4f}", "median_ms": f"{t[len(t) // 2]:.4f}", "worst_ms": f"{t[-1]:.4f}"}
        new = not os.path.exists(self.path)
        with open(self.path, "a", newline="") as f:
            w = csv.DictWriter(f, FIELDS)
            if new:
                w.writeheader()
            w.writerow(row)
        print("  ", peer, f"{t[0]:.3f} ms (median {t[len(t) // 2]:.3f})" if t else "not run:", row["error"], unit, note, flush=True)


def rounds(a, ours, calls, units, count=None, log=None):
    """{name: milliseconds a unit of each round}; calls: {name: function}, one that fails is left out.  ours: (Ours, units) or None."""
    times, failed = {n: [] for n in calls}, {}
    times["ours"] = []
    clock = time.process_time if a.cpu else time.perf_counter

    def timed(call):
        start = clock()
        call()
        return (clock() - start) * 1e3 / units

    def our_own():
        wall, cpu = ours[0].go()
        return (cpu if a.cpu else wall) * 1e3 / ours[1]

    def turn(once):
        time.sleep(PAUSE)
        start, found = time.perf_counter(), []
        while not found or time.perf_counter() - start < TURN:
            found.append(once())
        return found

    for _ in range(count or a.rounds):
        for name, call in list(calls.items()):
            if log:
                log(name)
            try:
                times[name] += turn(lambda: timed(call))
            except Exception as e:
                failed[name] = first_line(e)
                del calls[name], times[name]
        if ours:
            times["ours"] += turn(our_own)
    return times, failed


def first_line(e):
    text = " ".join(str(e).split()) or "no message"
    return f"{type(e).__name__}: {text[:160]}"


def generator_file(size):
    if size == "bundle":
        return BUNDLE
    path = f"build/random{size}.safetensors"
    if not os.path.exists(path):
        subprocess.run([sys.executable, "bench/random_generator.py", path, size], check=True)
    return path


def mark(a, peer):
    """Remembered for the case that the process dies in it."""
    with open(a.csv + ".now", "w") as f:
        f.write(peer)


# ---- configurations, each in a process of its own -----------------------------------------------------------------------------------------

def run_picture(a, table, names, size, batch, threads):
    import numpy as np
    import torch
    import peers
    torch.set_num_threads(threads)
    folder, path = "build/peers", generator_file(size)
    os.makedirs(folder, exist_ok=True)
    weights, meta = peers.read(path)
    z = torch.from_numpy(np.concatenate([np.random.RandomState(s).randn(1, int(meta["z_dim"])) for s in range(batch)])).float()
    calls, pictures = {}, {}
    with torch.no_grad():
        judge = f"{folder}/{size}-float64.npy"
        if not os.path.exists(judge):
            g = peers.Generator({n: t.double() for n, t in weights.items()}, meta, True).eval()
            np.save(judge, g(z[:1].double()).numpy())
        want = np.load(judge)[0]
        for name in names:
            if name == "ours":
                continue
            mark(a, name)
            try:
                run = peers.open_picture(name, weights, meta, batch, threads, folder, size, a.ada)
                start = time.perf_counter()
                pictures[name] = np.asarray(run(z)).copy()
                if time.perf_counter() - start < 2:      # a long run has warmed up
                    run(z)
                calls[name] = lambda run=run: run(z)
            except Exception as e:
                table.add(name, note=first_line(e))
        ours = Ours(a.bench, "picture", path, a.kernels, threads, batch)
        ours.go(), ours.go()
        times, failed = rounds(a, (ours, batch), calls, batch, log=lambda n: mark(a, n))
        ours.ask(f"save {folder}/ours.safetensors")
        ours.close()
        pictures["ours"] = peers.read(f"{folder}/ours.safetensors")[0]["picture"].numpy()
    for name, note in failed.items():
        table.add(name, note=note)
    for name, t in times.items():
        got = pictures[name][0].reshape(want.shape)
        table.add(name, t, float(np.abs(got - want).max() / want.std()), "sd")


def run_label(a, table, names, size, threads):
    import numpy as np
    import torch
    import peers
    import peers_label
    torch.set_num_threads(threads)
    path = generator_file(size)
    if size == "bundle":
        interpreter = "build/bench-interpreter.safetensors"
        subprocess.run([a.bench, "--turns", "bundle-interpreter"], check=True)
    else:
        interpreter = f"build/bench-interpreter{size}.safetensors"
        subprocess.run([a.bench, "--turns", "interpreter", path, "editgan", "256", "128", "34", "10", interpreter], check=True)
    ours = Ours(a.bench, "label", path, interpreter, a.kernels, threads)
    ours.go()
    ours.ask("save build/peers/taps.safetensors")
    saved, _ = peers.read("build/peers/taps.safetensors")
    found, mean = saved.pop("label"), saved.pop("mean")
    import json
    order = [t["name"] for t in json.loads(peers.read(interpreter)[1]["taps"])]
    taps, members = [saved[n] for n in order], peers_label.Interpreter(interpreter)
    results, calls = {"ours": (found.flatten().long(), mean.flatten(1))}, {}
    with torch.no_grad():
        improved = peers_label.Improved(members, taps, tuple(found.shape)) if "improved" in names else None
        if size == "bundle":                             # small enough for the definition in float64
            want, mean64, _ = peers_label.official([t.double() for t in taps], tuple(found.shape), peers_label.Interpreter(interpreter, torch.float64))
        if "official" in names:
            mark(a, "official")
            calls["official"] = lambda: results.__setitem__("official", peers_label.official(taps, tuple(found.shape), members)[:2])
        once = {n: rounds(a, None, {n: c}, 1, 1)[0][n] for n, c in calls.items()} if size != "bundle" else {}
        if once:                                         # a minute and gigabytes: once is enough
            calls.clear()
        if improved:
            mark(a, "improved")
            calls["improved"] = lambda: results.__setitem__("improved", improved(taps)[:2])
            calls["improved"](), calls["improved"]()
        times, failed = rounds(a, (ours, 1), calls, 1)
        times |= once
    ours.close()
    if size != "bundle":
        want, mean64 = results["official"] if "official" in results else results["ours"]
    for name, note in failed.items():
        table.add(name, note=note)
    for name, t in times.items():
        label, p = results[name]
        table.add(name, t, float((label != want).double().mean()), "labels", f"mean probabilities within {float((p - mean64).abs().max()):.1e}")


def run_train(a, table, names, size, batch, threads):
    import torch
    import peers_label
    torch.set_num_threads(threads)
    D, K, rows = (864, 4, 131072) if size == "bundle" else (5056, 20, 65536)
    steps = 20
    per_epoch = 16 * (128 if size == "bundle" else 512) ** 2 // batch
    epochs = 6 if batch > 64 else 5                      # the released code goes on until a loss stands still, at least four epochs
    calls, failed = {}, {}
    for name in names:
        if name == "ours":
            continue
        mark(a, name)
        try:
            step = peers_label.trainer(D, 128, 32, K, batch, rows, name == "torch-compile")
            for _ in range(3):
                step()
            calls[name] = lambda step=step: [step() for _ in range(steps)]
        except Exception as e:
            table.add(name, note=first_line(e))
    ours = Ours(a.bench, "train", "bundle" if size == "bundle" else "car", a.kernels, threads, batch)

    class Steps:                                         # one turn is BENCH_STEPS steps (bench/bench.h) of `threads` members
        def go(self):
            both = [ours.go() for _ in range(steps // 4)]
            return [sum(b[0] for b in both), sum(b[1] for b in both)]
    ours.go(), ours.go()
    times, failed = rounds(a, (Steps(), steps * threads), calls, steps)
    ours.close()
    for name, note in failed.items():
        table.add(name, note=note)
    for name, t in times.items():
        minutes = min(t) / 1e3 * per_epoch * epochs * 10 / 60
        table.add(name, t, note=f"a step of one member; 10 members, {epochs} epochs of {per_epoch} steps: {minutes:.1f} min (extrapolated)")


def run_dataset(a, table, names, threads):
    import torch
    import peers_label
    torch.set_num_threads(threads)
    count, calls, interpreter = 64, {}, "build/bench-interpreter.safetensors"
    os.makedirs("build/peers", exist_ok=True)
    subprocess.run([a.bench, "--turns", "bundle-interpreter"], check=True)
    with torch.no_grad():
        for name in names:
            if name == "ours":
                continue
            mark(a, name)
            try:
                run = peers_label.dataset(BUNDLE, interpreter, threads, "build/peers", "bundle", count)
                run()
                calls[name] = run
            except Exception as e:
                table.add(name, note=first_line(e))
        ours = Ours(a.bench, "dataset", BUNDLE, interpreter, a.kernels, threads, count, "build/peers/dataset")
        ours.go()
        times, failed = rounds(a, (ours, count), calls, count)
        ours.close()
    for name, note in failed.items():
        table.add(name, note=note)
    for name, t in times.items():
        table.add(name, t, note=f"a sample; {1e3 / min(t):.0f} samples a second")


# ---- what to run ----------------------------------------------------------------------------------------------------------------------------

def configurations(a):
    for threads in (int(t) for t in a.threads.split(",")):
        for work in a.work.split(","):
            for size in a.sizes.split(","):
                for batch in (int(b) for b in a.batches.split(",")):
                    if work == "picture" and (batch == 1 or size in ("bundle", "256")):
                        yield work, size, batch, threads, ("ours", *PICTURE)
                if work == "label" and size in ("bundle", "512"):
                    yield work, size, 1, threads, ("ours", *LABEL)
                if work == "train" and size in ("bundle", "512"):
                    for batch in (1024, 64):
                        yield work, "bundle" if size == "bundle" else "Car-20", batch, threads, ("ours", *TRAIN)
                if work == "dataset" and size == "bundle":
                    yield work, size, 1, threads, ("ours", *DATASET)


def run_one(a):
    work, name, batch, threads, names = a.one.split("/")
    table = Table(a, work, name, int(batch), int(threads))
    if work == "picture":
        run_picture(a, table, names.split(","), name, int(batch), int(threads))
    elif work == "label":
        run_label(a, table, names.split(","), name, int(threads))
    elif work == "train":
        run_train(a, table, names.split(","), name, int(batch), int(threads))
    else:
        run_dataset(a, table, names.split(","), int(threads))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bench")
    p.add_argument("--csv", default="build/compare.csv")
    p.add_argument("--work", default="picture,label,train,dataset")
    p.add_argument("--sizes", default="bundle,256,512,1024")
    p.add_argument("--batches", default="1")
    p.add_argument("--threads", default="2")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--peers", help="only these, beside ours")
    p.add_argument("--kernels", default="auto")
    p.add_argument("--ada")
    p.add_argument("--cpu", action="store_true")
    p.add_argument("--one", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.one:
        return run_one(a)
    clock = "processor" if a.cpu else "wall"
    for work, name, batch, threads, names in configurations(a):
        if a.peers:
            names = tuple(n for n in names if n == "ours" or n in a.peers.split(","))
        while True:
            done = {tuple(r[k] for k in KEY) for r in read_rows(a.csv)}
            left = [n for n in names if (work, name, str(batch), str(threads), clock, n) not in done]
            if not left:
                break
            print(f"{work}, {name}, batch {batch}, {threads} threads", flush=True)
            one = f"{work}/{name}/{batch}/{threads}/{','.join(left)}"
            started = time.time()
            status = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one", one], stderr=None if os.environ.get("VERBOSE") else subprocess.DEVNULL).returncode
            print(f"   {time.time() - started:.0f} s", flush=True)
            if status >= 0:                              # below 0: a signal, so a peer's native code died
                print("   failed; VERBOSE=1 shows why" if status else "", end="\n" if status else "", flush=True)
                break
            with open(a.csv + ".now") as f:
                culprit = f.read()
            Table(a, work, name, batch, threads).add(culprit, note=f"its process ended with signal {-status}")
    if os.path.exists(a.csv + ".now"):
        os.remove(a.csv + ".now")


if __name__ == "__main__":
    main()
