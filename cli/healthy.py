"""`python -m cli.healthy URL`: exit 0 if it answers 200. A container's health check: imports next to nothing."""

import http.client
import sys
from urllib.parse import urlsplit


def main(url: str) -> int:
    """0 if the URL answers 200, else 1."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=4)
    try:
        connection.request("GET", where.path)
        return int(connection.getresponse().status != http.client.OK)
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
