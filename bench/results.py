#!/usr/bin/env python3
"""bench/RESULTS.md from build/bench.csv (make bench) and build/compare.csv (make bench-compare); nothing in it is written by hand.

usage: results.py [--bench build/bench.csv ...] [--compare build/compare.csv ...] [--out bench/RESULTS.md] [--title TEXT] [--note TEXT]

Of several runs of make bench (a machine with neighbours) each row is taken from the one where it had the largest part of the peak, against the largest
bandwidth of all; of several of make bench-compare the best time of each counts.
"""
import argparse
import csv
import os
import time


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def bandwidths(rows):
    return {r["threads"]: float(r["gflops"]) for r in rows if r["work"] == "machine" and "bandwidth" in r["name"]}


def best_of(runs):
    """Rows of several runs as those of one."""
    most, best = {}, {}
    for rows in runs:
        for threads, v in bandwidths(rows).items():
            most[threads] = max(v, most.get(threads, 0))
    for rows in runs:
        own = bandwidths(rows)
        for r in rows:
            if r["work"] != "machine" and r["of_bandwidth"]:
                r["of_bandwidth"] = f"{float(r['of_bandwidth']) * own[r['threads']] / most[r['threads']]:.4f}"
                if r["bound_by"] == "bytes":
                    r["of_bound"] = r["of_bandwidth"]
            key, by = (r["work"], r["name"], r["kernel"], r["threads"]), "gflops" if r["work"] == "machine" else "of_peak"
            if key not in best or float(r[by]) > float(best[key][by]):
                best[key] = r
    return list(best.values())


def ms(v):
    return f"{v:.0f}" if v >= 100 else f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def groups(rows, *keys):
    """Rows by the values of keys, in the file's order."""
    found = {}
    for r in rows:
        found.setdefault(tuple(r[k] for k in keys), []).append(r)
    return found


# ---- ours beside the others ------------------------------------------------------------------------------------------------------------------

def comparison(rows):
    out = ["## Beside other runtimes", "",
           "The same networks, weights and z, float32, weights loaded outside the timing, in turn in one run; the best time of each. A ratio is theirs over ours.",
           "Errors of pictures: largest difference from PyTorch in float64, in standard deviations of the picture.", ""]
    titles = {"picture": "a picture", "label": "labelling a picture, beyond drawing it", "train": "a training step of one member",
              "dataset": "a sample of `dataset`: drawn, labelled, written"}
    for (work, name, batch, threads, clock), one in groups(rows, "work", "name", "batch", "threads", "clock").items():
        kept = {}
        for r in one:                                    # a run that was gone on with has ours again
            kept[r["peer"]] = min(r, kept.get(r["peer"], r), key=lambda r: float(r["best_ms"] or "inf"))
        one = list(kept.values())
        ours = float(kept["ours"]["best_ms"]) if "ours" in kept else None
        said = f"{titles[work]}: {name}, batch {batch}, {threads} thread{'s' if threads != '1' else ''}{', processor time' if clock != 'wall' else ''}"
        out += [f"| {said} | best ms | median ms | theirs / ours | error | |", "|---|---|---|---|---|---|"]
        for r in sorted(one, key=lambda r: float(r["best_ms"] or "inf")):
            peer = f"**{r['peer']}**" if r["peer"] == "ours" else r["peer"]
            if not r["best_ms"]:
                out.append(f"| {peer} | not run | | | | {r['note'].replace('|', '/')} |")
                continue
            ratio = f"{float(r['best_ms']) / ours:.2f}" if ours and r["peer"] != "ours" else ""
            out.append(f"| {peer} | {ms(float(r['best_ms']))} | {ms(float(r['median_ms']))} | {ratio} | {r['error']} {r['error_unit']} | {r['note'].replace('|', '/')} |")
        out.append("")
    return out


# ---- ours against the machine ----------------------------------------------------------------------------------------------------------------

def limits(rows):
    out = ["## Against the machine's limit", "",
           "GFLOP/s: direct convolution; an up-convolution counts 9·Ci·Co·Hin·Win multiply-adds. Bound: the larger of what the row's own algorithm computes (transforms,",
           "filters, epilogues counted) over the measured FMA peak, and its least memory traffic over the measured bandwidth; `of bound` is bound / time. The best run counts,",
           "against the highest peak measured around the row's runs; the median is shown beside it (other users of a rented machine slow it down by a third within seconds). A layer run over and",
           "over whose data stays in a cache may pass a bound by bytes. Products of the row `amx` run on tiles, which may pass a bound by multiply-adds. Error: against the row `ref`; `units` are rounding units of the result's root mean square.", ""]
    machine = [r for r in rows if r["work"] == "machine"]
    out += ["| threads | " + " | ".join(dict.fromkeys(r["name"] for r in machine)) + " |", "|---|---|---|"]
    for (threads,), one in groups(machine, "threads").items():
        out.append(f"| {threads} | " + " | ".join(r["gflops"] for r in one) + " |")
    out.append("")
    for (work,), one in groups([r for r in rows if r["work"] != "machine"], "work").items():
        out += [f"| {work} | row, threads | best ms | median, worst | GFLOP/s | of peak | of bandwidth | of bound | algorithm | error | |", "|---|---|---|---|---|---|---|---|---|---|---|"]
        for r in one:
            error = f"{r['error']} {r['error_unit']}" if r["error"] else ""
            out.append(f"| {r['name']} | {r['kernel']}, {r['threads']} | {ms(float(r['min_ms']))} | {ms(float(r['median_ms']))}, {ms(float(r['max_ms']))} | {float(r['gflops']):.0f} | "
                       f"{float(r['of_peak']):.2f} | {float(r['of_bandwidth']):.2f} | {float(r['of_bound']):.2f} ({r['bound_by']}) | {r['algorithm']} | {error} | {r['note']} |")
        out.append("")
    return out


# ---- goals -----------------------------------------------------------------------------------------------------------------------------------

def best(rows, work, name, batch, peer):
    t = [float(r["best_ms"]) for r in rows if (r["work"], r["name"], r["batch"], r["peer"]) == (work, name, batch, peer) and r["best_ms"] and r["threads"] != "1"]
    return min(t) if t else None


def fastest(rows, work, name, batch):
    """Fastest peer of a configuration with more than one thread: (name, ms)."""
    found = {r["peer"] for r in rows if r["peer"] != "ours"}
    t = [(best(rows, work, name, batch, p), p) for p in found if best(rows, work, name, batch, p)]
    return (min(t)[1], min(t)[0]) if t else (None, None)


def fastest_kernels(rows):
    """Of each piece of work and number of threads the row of kernels that took least; bf16 is no goal."""
    least = {}
    for r in rows:
        key = r["work"], r["name"], r["threads"]
        if not r["name"].endswith("bf16") and (key not in least or float(r["min_ms"] or 0) < float(least[key]["min_ms"] or 0)):
            least[key] = r
    return list(least.values())


def goals(bench, compare):
    """Goals that the rows at hand decide: (what, goal, found, verdict).  Where the machine's limit forbids a goal, 90 % of the limit is enough."""
    out = []

    def add(what, goal, value, limit, unit="", row=None):
        bound = float(row["of_bound"]) if row else 0
        verdict = "met" if value >= limit else f"90 % of its bound ({row['bound_by']})" if bound >= 0.9 else f"not met ({bound:.2f} of its bound)" if row else "not met"
        out.append((what, goal, f"{value:.2f}{unit}", verdict))

    for name in ("bundle", "256", "512", "1024"):
        for batch in ("1", "8"):
            ours, (peer, theirs) = best(compare, "picture", name, batch, "ours"), fastest(compare, "picture", name, batch)
            if ours and theirs:
                want = 2.0 if name == "bundle" else 1.5
                add(f"picture, {name}, batch {batch}", f"{want}× the fastest peer", theirs / ours, want, f"× {peer}")
            eager = [best(compare, "picture", name, batch, p) for p in ("nvidia", "nvidia-unfused", "torch-grouped")]
            if ours and any(eager):
                add(f"picture, {name}, batch {batch}", "3× PyTorch eager", min(e for e in eager if e) / ours, 3.0, "×")
            errors = [float(r["error"]) for r in compare if r["work"] == "picture" and r["peer"] == "ours" and r["name"] == name and r["batch"] == batch and r["error"]]
            if errors:
                out.append((f"picture, {name}, batch {batch}", "error ≤ 2e-4 sd", f"{max(errors):.1e}", "met" if max(errors) <= 2e-4 else "not met"))
    for r in bench:
        if r["work"] != "conv" or r["threads"] == "1":
            continue
        cin, cout, *rest = r["name"].replace("-", " ").split()
        if rest[-1] == "up":
            add(f"up-convolution {r['name']}", "1 × peak", float(r["of_peak"]), 1.0, "×", r)
        elif min(int(cin), int(cout)) >= 128:
            add(f"convolution {r['name']}", "1.8 × peak", float(r["of_peak"]), 1.8, "×", r)
    for r in bench:
        if r["work"] == "label" and r["threads"] != "1":
            add(f"labelling, {r['name']}", "80 % of its bound", float(r["of_bound"]) * 100, 80.0, " %")
        if r["work"] == "dataset" and r["threads"] != "1":
            add(f"dataset, {r['name']}", "80 % of its roofline", float(r["of_bound"]) * 100, 80.0, " %")
    for name in ("bundle", "512"):
        ours = best(compare, "label", name, "1", "ours")
        for peer, want in (("official", 20.0), ("improved", 2.0)):
            theirs = best(compare, "label", name, "1", peer)
            if ours and theirs:
                add(f"labelling, {name}", f"{want:.0f}× {peer} in PyTorch", theirs / ours, want, "×")
    for work, name, batch in (("train", "bundle", "1024"), ("train", "bundle", "64"), ("train", "Car-20", "1024"), ("train", "Car-20", "64"), ("dataset", "bundle", "1")):
        ours, (peer, theirs) = best(compare, work, name, batch, "ours"), fastest(compare, work, name, batch)
        if ours and theirs:
            add(f"{work}, {name}" + (f", batch {batch}" if work == "train" else ""), "2× the fastest peer", theirs / ours, 2.0, f"× {peer}")
    most = max((r["threads"] for r in bench), key=int, default="1")
    times = {(r["work"], r["name"]): float(r["min_ms"]) for r in bench if r["threads"] == most and r["work"] in ("first", "picture")}
    for (work, name), t in times.items():
        if work == "first" and ("picture", f"{name} batch 1") in times:
            beyond = (t - times["picture", f"{name} batch 1"]) / 1e3
            out.append((f"first picture, {name}", "< 0.5 s beyond the picture's own time", f"{beyond:.2f} s", "met" if beyond < 0.5 else "not met"))
    for (work, name), one in groups([r for r in bench if r["work"] in ("picture", "label", "dataset")], "work", "name").items():
        part = {r["threads"]: float(r["of_peak"]) for r in one}       # t1 / tn / (peak n / peak 1): the arithmetic is the same
        if most != "1" and "1" in part and most in part:
            add(f"1 to {most} threads, {work}, {name}", "0.95 × peak ratio", part[most] / part["1"], 0.95, "×")
    if not out:
        return []
    lines = ["## Goals", "", f"{sum(not g[3].startswith('not') for g in out)} of {len(out)} met or at 90 % of the machine's limit.", "", "| Work | Goal | Measured | |", "|---|---|---|---|"]
    return lines + [f"| {w} | {g} | {v} | {verdict} |" for w, g, v, verdict in out] + [""]


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--bench", nargs="+", default=["build/bench.csv"])
    p.add_argument("--compare", nargs="+", default=["build/compare.csv"])
    p.add_argument("--out", default="bench/RESULTS.md")
    p.add_argument("--title", default="Results")
    p.add_argument("--note", default="", help="what stands before the date: the machine in words, other tables")
    a = p.parse_args()
    bench, compare = best_of([read(f) for f in a.bench]), [r for f in a.compare for r in read(f)]
    if not bench and not compare:
        raise SystemExit(f"results.py: neither {' '.join(a.bench)} nor {' '.join(a.compare)}: run make bench and make bench-compare first")
    cpus = sorted({r["cpu"] for r in bench + compare})
    commits = sorted({r["commit"] for r in bench + compare})
    dates = sorted({r["date"] for r in compare} | ({time.strftime("%Y-%m-%d", time.localtime(os.path.getmtime(f))) for f in a.bench if os.path.exists(f)}))
    several = f" Each row of ours: the one of {len(a.bench)} runs where it had the largest part of the peak." if len(a.bench) > 1 else ""
    lines = [f"# {a.title}", "", f"{a.note}{several} {' and '.join(dates)}, {' and '.join(cpus)}, commit {', '.join(commits)}. Made by `bench/results.py` from `make bench` and `make bench-compare`; not to be edited.".lstrip(), ""]
    lines += goals(fastest_kernels(bench), compare) + (comparison(compare) if compare else []) + (limits(bench) if bench else [])
    with open(a.out, "w") as f:
        f.write("\n".join(lines))
    print(f"{a.out}: {len(bench)} rows of ours, {len(compare)} beside others")


if __name__ == "__main__":
    main()
