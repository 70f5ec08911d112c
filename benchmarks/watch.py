"""What watching costs: microseconds of `model.watch` for a batch of 1000 impressions, which takes some 30 ms."""

import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from features.windows import COUNT_NAMES
from model.bundle import load
from model.samples import samples
from model.watch import Watch

BATCH, ROUNDS = 1000, 2000


def main(folder: Path) -> None:
    """Print the mean cost of a batch, the flushes of sampled impressions included."""
    bundle = load(folder)
    impressions = [one.impression for one in samples(folder, bundle.card)] * (BATCH // 4)
    rows = [bundle.build(one, (0,) * len(COUNT_NAMES)) for one in impressions]
    click_probas = bundle.predict(rows)
    watch = Watch(bundle, CollectorRegistry())
    begun = time.perf_counter()
    for _ in range(ROUNDS):
        watch.observe(impressions, rows, click_probas)
    print(f"{(time.perf_counter() - begun) / ROUNDS * 1e6:.0f} us a batch of {BATCH}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bundles/current"))
