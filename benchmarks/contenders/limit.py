"""The limit: consume, decode, produce the same bytes; nothing is counted or scored."""

from benchmarks.contenders import loop, options
from schemas import impression

BATCH = 5000


def main() -> None:
    """Run until SIGTERM."""
    given = options.parse()

    def answer(messages: loop.Messages) -> list[loop.Out]:
        copies = []
        for message in messages:
            value = message.value()
            impression.decode(value)
            copies.append((message.key(), value))
        return copies

    loop.run(given.bootstrap, given.group, given.impressions, given.scores, BATCH, answer)


if __name__ == "__main__":
    main()
