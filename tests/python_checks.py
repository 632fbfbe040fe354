"""python_checks.py: python/datasetgan.py against itself: views share memory and outlive their names, arrays are what C gives, errors and
exceptions arrive.  Run by test_library.sh: GENERATOR INTERPRETER TASK SMALL-GENERATOR OUT."""
import gc
import sys
import threading

import numpy as np

import datasetgan as dg

failed = 0


def check(ok, what):
    global failed
    if not ok:
        print(f"FAILED {what}", file=sys.stderr)
        failed += 1


def refused(status, part, call):
    try:
        call()
        check(False, f"expected {status}: {part}")
    except dg.Error as e:
        check(e.status == status and part in str(e) and "\n" not in str(e), f"expected {status}, {part!r}, found {e.status}: {e}")


def main():
    generator_path, interpreter_path, task, small, out = sys.argv[1:]
    interpreter = dg.Interpreter(interpreter_path)
    for row in dg.kernels():
        g = dg.Generator(small, row)
        d = g.drawer(batch=2).draw([3, 7])
        planar = d.planar(1)
        want = np.clip(planar.transpose(1, 2, 0) * 127.5 + 128, 0, 255).astype(np.uint8)
        check(np.array_equal(d.picture(1), want), f"{row}: bytes of a picture")
        for name, shape in g.taps.items():
            copy, blocks = d.tap(name, 1), d.tap_blocks(name, 1)
            check(copy.shape == shape and np.array_equal(copy[:16 * len(blocks)], blocks.reshape(-1, *shape[1:])[:shape[0]]), f"{row}: tap {name}")
        before, ws = planar.copy(), d.ws(1).copy()
        again = d.planar(1)
        check(again.__array_interface__["data"] == planar.__array_interface__["data"] and not planar.flags.writeable, f"{row}: views are no copies")
        d.draw_ws(ws)
        check(np.array_equal(d.planar(0), before), f"{row}: drawn from its styles")
        z = np.random.RandomState(7).randn(1, g.z_dim)
        d.draw_z(z)
        check(np.abs(d.planar(0) - before).max() < 1e-4, f"{row}: drawn from its z")
        view, held = d.planar(0), d.planar(0).copy()
        del d, again, planar
        gc.collect()
        check(np.array_equal(view, held), f"{row}: a view keeps its drawer")

    g = dg.Generator(generator_path)
    single = [(s.seed, s.picture.tobytes(), s.label.tobytes(), s.uncertainty) for s in dg.Stream(g, interpreter, 12, batch=1)]
    parts = [[(s.seed, s.picture.tobytes(), s.label.tobytes(), s.uncertainty) for s in dg.Stream(g, interpreter, 12, shard=k, shards=3)] for k in range(3)]
    check(single == [parts[i % 3][i // 3] for i in range(12)], "three shards are one stream")
    found = [None, None]

    def work(k):
        found[k] = [(s.seed, s.label.tobytes()) for s in dg.Stream(g, interpreter, 12)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(found[0] == found[1] == [(s[0], s[2]) for s in single], "two threads, one generator")
    d = g.drawer().draw(single[0][0], **interpreter.draw)
    sample = dg.Labeller(g, interpreter).label(d, divergence=True, probability=True)
    check(sample.label.tobytes() == single[0][2] and sample.uncertainty == single[0][3], "label and stream agree")
    check(np.allclose(sample.probability.sum(0), 1, atol=1e-5) and sample.divergence.min() >= 0, "probabilities sum to 1")

    calls = []
    settings = dict(members=2, epochs=0.02, width1=16, width2=8, batch=256)
    trained = g.train(task, out + ".safetensors", progress=lambda *a: calls.append(a), **settings)
    check(trained.classes == interpreter.classes and len(calls) > 1 and calls[-1][1] == calls[-1][2], "training and its progress")

    def interrupted(*_):
        raise KeyboardInterrupt

    try:
        g.train(task, out + "2.safetensors", progress=interrupted, **settings)
        check(False, "an exception in a callback is lost")
    except KeyboardInterrupt:
        check(g.train(task, out + "2.safetensors", **settings).identity == trained.identity, "a stopped training goes on to the same")
    dg.write_dataset(g, interpreter, out + ".set", 10)

    refused("io", "/nowhere", lambda: dg.Generator("/nowhere"))
    refused("argument", "not drawn", lambda: d.planar(1))
    refused("argument", "b4.conv1", lambda: d.tap("b4.conv9"))
    refused("argument", "seeds", lambda: d.draw([-1]))
    refused("argument", "seeds", lambda: d.draw([1.5]))
    refused("argument", "1 to 1", lambda: d.draw([1, 2]))
    refused("argument", "noise", lambda: d.draw([1], noise="loud"))
    refused("argument", "draw_ws", lambda: d.draw_ws(np.zeros(3)))
    refused("argument", "finite", lambda: d.draw_z(np.full(g.z_dim, np.nan)))
    refused("argument", "shard", lambda: dg.Stream(g, interpreter, shard=2, shards=2))
    refused("argument", "members", lambda: g.train(task, out + "3", members=0))
    return failed != 0


sys.exit(main())
