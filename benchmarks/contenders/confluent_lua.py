"""The hand-written loop with the counts of a batch in one Lua call: most of the way to what ours does."""

from benchmarks.contenders import confluent_loop, counter

if __name__ == "__main__":
    confluent_loop.main(counter.scripted)
