"""TLS and logins against real servers: the whole way works, and a wrong setting is refused by its name."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from local import stack as local
from local.errors import MissingError
from local.secured import Secured
from local.stack import Stack
from trainer.simulate import simulate

pytestmark = [pytest.mark.integration]

PASSWORD = "kept-out-of-logs"  # noqa: S105  # of servers that live as long as the test
ROWS = 3_000
Variables = dict[str, str]


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_ca(folder: Path, name: str) -> Path:
    """A certificate authority: its certificate, and its key beside it."""
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    openssl(folder, "req", *options, "-keyout", f"{name}.key", "-out", f"{name}.pem")
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA that signs the servers' certificate."""
    return make_ca(tmp_path_factory.mktemp("certificates"), "ca")


@pytest.fixture(scope="module")
def secured_stack(authority: Path) -> Iterator[Stack]:
    """Apache Kafka that asks for SASL_SSL, and a Redis that asks for TLS and an ACL user."""
    folder = authority.parent
    request = ["-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server"]
    openssl(folder, "req", *request)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl(folder, "x509", "-req", "-in", "server.csr", *signing, "-out", "server.pem")
    secured = Secured(folder / "server.pem", folder / "server.key", "ctr", PASSWORD)
    try:
        with local.running("kafka", secured=secured) as running:
            yield running
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def variables(secured_stack: Stack, authority: Path, served_bundle: Path) -> Variables:
    """The environment of a client whom both let in."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": secured_stack.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_CA_FILE": str(authority),
        "KAFKA_USERNAME": "ctr",
        "KAFKA_PASSWORD": PASSWORD,
        "REDIS_URL": secured_stack.redis_url,
        "REDIS_CA_FILE": str(authority),
        "REDIS_USERNAME": "ctr",
        "REDIS_PASSWORD": PASSWORD,
        "BUNDLE": str(served_bundle),
    }


def ctr(variables: Variables, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    command = [sys.executable, "-m", "cli", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)


def test_the_whole_way_works_with_tls_and_logins(variables: Variables, tmp_path: Path) -> None:
    """Topics, produce, worker, consume and verify, by SCRAM-SHA-512, and no password in what they say."""
    simulate(tmp_path / "log.csv", None, rows=ROWS, seed=5, hours=30, audience=ROWS / 40e6)
    said = [
        ctr(variables, "topics", "--partitions", "4", "--json"),
        ctr(variables, "produce", str(tmp_path / "log.csv"), "--json"),
    ]
    log = tmp_path / "worker.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "cli", "worker", "--log-level", "debug"]
        worker = subprocess.Popen(command, env={**os.environ, **variables}, stdout=file, stderr=file)
    try:
        limit = ("--limit", str(ROWS), "--idle-seconds", "60")
        said.append(ctr(variables, "consume", "--follow", *limit, "--out", str(tmp_path / "scores.jsonl"), "--json"))
        assert json.loads(said[-1].stdout)["records"] == ROWS, log.read_text()
    finally:
        worker.terminate()
        code = worker.wait(60)
    assert code == 0, log.read_text()
    said.append(ctr(variables, "verify", "--json"))
    assert [one.returncode for one in said] == [0, 0, 0, 0], said
    report = json.loads(said[-1].stdout)
    assert (report["impressions"], report["parity_compared"], report["lost"]) == (ROWS, ROWS, 0)
    assert PASSWORD not in log.read_text() + "".join(one.stdout + one.stderr for one in said)


def test_plain_login_over_tls_works_too(variables: Variables) -> None:
    """What the compose file's published port asks for, with TLS."""
    ended = ctr({**variables, "KAFKA_SASL_MECHANISM": "PLAIN"}, "topics", "--json")
    assert ended.returncode == 0, ended.stderr


WRONG = {
    "KAFKA_PASSWORD": "KAFKA_USERNAME, KAFKA_PASSWORD: the broker does not take them",
    "KAFKA_USERNAME": "KAFKA_USERNAME, KAFKA_PASSWORD: the broker does not take them",
    "KAFKA_SASL_MECHANISM": "KAFKA_SASL_MECHANISM: SCRAM-SHA-256 is not what the broker takes",
    "KAFKA_SECURITY_PROTOCOL": "takes connections but does not answer to PLAINTEXT",
    "KAFKA_CA_FILE": "does not vouch for the broker's certificate",
    "REDIS_PASSWORD": "REDIS_USERNAME, REDIS_PASSWORD: ",
    "REDIS_USERNAME": "REDIS_USERNAME, REDIS_PASSWORD: ",
    "REDIS_CA_FILE": "does not vouch for the certificate of rediss://127.0.0.1:",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_worker_with_a_wrong_setting_ends_and_names_it(variables: Variables, name: str, tmp_path: Path) -> None:
    """One line that begins with the variable, and code 1, before anything is read or counted."""
    wrong = {
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "KAFKA_CA_FILE": str(make_ca(tmp_path, "stranger")),
        "REDIS_CA_FILE": str(tmp_path / "stranger.pem"),
    }
    ended = ctr({**variables, name: wrong.get(name, "wrong")}, "worker")
    line = ended.stderr.splitlines()[-1]
    assert line.startswith(f"ctr: {name.split('_', maxsplit=1)[0]}_")
    assert name in line
    assert WRONG[name] in line
    assert (ended.returncode, ended.stdout) == (1, "")
    assert PASSWORD not in ended.stderr


@pytest.mark.parametrize("command", [("produce", "log.csv"), ("consume",), ("verify",), ("topics",)])
def test_every_command_names_a_wrong_password(variables: Variables, command: tuple[str, ...]) -> None:
    """Not only the worker: nobody waits for a minute to hear of a time-out."""
    ended = ctr({**variables, "KAFKA_PASSWORD": "wrong"}, *command)
    assert "ctr: KAFKA_USERNAME, KAFKA_PASSWORD: the broker does not take them" in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("name", ["REDIS_PASSWORD", "REDIS_CA_FILE"])
def test_the_api_names_a_wrong_setting_too(variables: Variables, name: str, tmp_path: Path) -> None:
    """It ends at its start, before it listens."""
    wrong = str(make_ca(tmp_path, "stranger")) if name == "REDIS_CA_FILE" else "wrong"
    ended = ctr({**variables, name: wrong}, "api", "--port", "0")
    assert WRONG[name] in ended.stderr
    assert ended.returncode == 1
    assert PASSWORD not in ended.stderr


def test_a_redis_with_users_keeps_its_keys_over_a_restart(secured_stack: Stack, authority: Path) -> None:
    """Redis reads its append-only file as its default user: that one is off, but must keep its rights."""
    url = secured_stack.redis_url
    with redis.Redis.from_url(url, username="ctr", password=PASSWORD, ssl_ca_certs=str(authority)) as client:
        keys = ["{test}:a", "{test}:b"]
        client.eval("redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2)", 2, *keys)
        secured_stack.redis.stop()
        secured_stack.redis.start()
        assert client.mget(keys) == [b"1", b"2"]


def test_nobody_gets_into_redis_without_a_login(secured_stack: Stack, authority: Path) -> None:
    """The default user is off."""
    with (
        redis.Redis.from_url(secured_stack.redis_url, ssl_ca_certs=str(authority)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
