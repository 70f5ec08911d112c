"""Quix' batching sink with the counts of a batch in one Lua call."""

from benchmarks.contenders import counter, quix_sink

if __name__ == "__main__":
    quix_sink.main(counter.scripted)
