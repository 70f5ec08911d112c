"""Apache Kafka in KRaft mode, broker and controller in one Java program, tuned for a small machine and a fast start.

What makes it fast: a formatted storage folder is copied instead of made (1.2 s), classes come from an archive (0.9 s),
and only the first compiler of the JVM runs (0.5 s; on two cores the second one takes more than it gives).
"""

import os
import re
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from local import folder as folders
from local import jars, topics
from local.errors import MissingError
from local.secured import Secured
from local.server import HOST, Server, accepts, free_ports, launch

_JAVA_AT_LEAST = 17
_JVM = [
    "-Xms512m",
    "-Xmx768m",
    "-Xmn384m",  # a small one is full every second under load, and emptying it stops the broker for 10 - 20 ms
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",  # it would leave files outside our folder
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]
# The JVM's first compiler only: brokers of tests live for seconds. Its second one takes most of a core for a minute;
# from then on a broker under a steady load takes half of what it took (docs/decisions/0012).
_SHORT_LIVED = "-XX:TieredStopAtLevel=1"
# Sessions: 2 s, or a broker that was killed may not come back before nine; and tests use groups with short sessions.
# Whoever has no rule against it may do everything, so that a rule of a test is all that forbids something.
_SETTINGS = """\
process.roles={roles}
node.id={node}
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
listeners={listeners}
log.dirs={storage}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=250
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
"""


# A second listener that asks for TLS and a login; the plain one stays for the broker itself and for its readiness.
_SECURED = """\
listeners={listeners},SECURED://{host}:{port}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.plain.sasl.jaas.config=\\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{username}="{password}";
"""


@dataclass(frozen=True)
class Java:
    """A Java that can run Kafka: its program and its version ("17.0.15")."""

    program: str
    version: str


def find_java() -> Java:
    """The Java of JAVA_HOME, else of PATH.

    Raises:
        MissingError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    program = (shutil.which("java", path=f"{home}/bin") if home else None) or shutil.which("java")
    if program is None:
        raise MissingError(
            f"Apache Kafka needs Java {_JAVA_AT_LEAST} or newer: none on PATH. Install it, or use Tansu."
        )
    banner = subprocess.run([program, "-version"], check=False, capture_output=True, text=True).stderr
    version = re.search(r'version "((\d+)[^"]*)"', banner)
    if version is None or int(version[2]) < _JAVA_AT_LEAST:
        raise MissingError(f"Apache Kafka needs Java {_JAVA_AT_LEAST} or newer; {program} says: {banner.strip()}")
    return Java(program, version[1])


def start(folder: Path, secured: Secured | None = None, *, lasting: bool = False) -> Server:
    """Start a broker with its topics in `folder`; the first start of a user downloads and prepares Kafka.

    Args:
        folder: Of its files.
        secured: Makes its address one that asks for SASL_SSL, by SCRAM-SHA-512 or PLAIN.
        lasting: It becomes as fast as it can, as in production, which takes minutes of load; else it is at once what
            it stays.

    Raises:
        MissingError: Java or Maven is missing.
        StackError: The download failed, or it does not start.
    """
    java = find_java()
    jars.install()
    _prepare(java)
    flags = [f"-XX:SharedArchiveFile={_archive(java)}", *([] if lasting else [_SHORT_LIVED])]
    if secured:
        return launch(lambda: _secured_server(java, folder / "kafka", flags, secured))
    return launch(lambda: _server(java, folder / "kafka", flags))


def join(folder: Path, first: Server) -> Server:
    """Start a second broker of the cluster whose only one `first` is, so that leaders can move.

    Raises:
        StackError: It does not start.
    """
    java = find_java()
    flags = [f"-XX:SharedArchiveFile={_archive(java)}", _SHORT_LIVED]
    settings = (first.folder / "server.properties").read_text()
    controller_port = int(settings.partition("CONTROLLER://")[2].splitlines()[0].rpartition(":")[2])
    cluster = _storage(first.folder / "storage")
    return launch(lambda: _server(java, folder / "kafka-2", flags, controller_port, cluster))


def _server(
    java: Java, folder: Path, flags: list[str], controller_port: int | None = None, cluster: str | None = None
) -> Server:
    """A broker; with a controller of its own, or one that joins the cluster of the controller that is given."""
    cluster = _storage(folder / "storage", cluster)
    port, free = free_ports(2)
    _write_settings(folder, port, controller_port or free, joins=controller_port is not None)
    address = f"{HOST}:{port}"
    return Server(
        name=f"kafka {jars.version()}",
        address=address,
        command=_command(java, folder, "kafka.Kafka", "server.properties", flags=flags),
        folder=folder,
        answers=lambda: accepts(port) and topics.cluster_id(address) == cluster,
    )


def _secured_server(java: Java, folder: Path, flags: list[str], secured: Secured) -> Server:
    """A broker whose address asks for TLS and a login; its storage folder is formatted with the user in it."""
    plain, controller_port, port = free_ports(3)
    keystore = folder / "keystore.pem"
    folder.mkdir(parents=True, exist_ok=True)
    keystore.write_text(secured.key.read_text() + secured.certificate.read_text())
    _write_settings(folder, plain, controller_port)
    settings = folder / "server.properties"
    listeners = re.search("^listeners=(.*)", settings.read_text(), re.MULTILINE)
    more = _SECURED.format(
        listeners=listeners[1] if listeners else "",
        host=HOST,
        port=port,
        keystore=keystore,
        username=secured.username,
        password=secured.password,
    )
    settings.write_text(settings.read_text() + more)
    if not (folder / "storage").exists():
        _format(java, folder, f"--add-scram=SCRAM-SHA-512=[name={secured.username},password={secured.password}]")
    cluster = _storage(folder / "storage")
    return Server(
        name=f"kafka {jars.version()}",
        address=f"{HOST}:{port}",
        command=_command(java, folder, "kafka.Kafka", "server.properties", flags=flags),
        folder=folder,
        answers=lambda: accepts(port) and topics.cluster_id(f"{HOST}:{plain}") == cluster,
    )


def _command(java: Java, folder: Path, main: str, *arguments: str, flags: list[str]) -> list[str]:
    # Compression libraries unpack themselves into the temporary folder, and a killed JVM leaves them there.
    temporary = f"-Djava.io.tmpdir={folder}"
    return [java.program, *_JVM, *flags, temporary, "-cp", jars.classpath(), main, *arguments]


def _write_settings(folder: Path, port: int, controller_port: int, *, joins: bool = False) -> None:
    listeners = f"PLAINTEXT://{HOST}:{port}"
    settings = _SETTINGS.format(
        host=HOST,
        controller_port=controller_port,
        storage=folder / "storage",
        node=2 if joins else 1,
        roles="broker" if joins else "broker,controller",
        listeners=listeners if joins else f"{listeners},CONTROLLER://{HOST}:{controller_port}",
    )
    (folder / "server.properties").write_text(settings)


def _storage(storage: Path, joins: str | None = None) -> str:
    """Make the storage folder unless it is there, of a new cluster or of the one it joins; the id of its cluster."""
    properties = storage / "meta.properties"
    if not storage.exists():
        shutil.copytree(_formatted(), storage)
        made = properties.read_text()
        changes = {"cluster.id": joins or _random_id(), "directory.id": _random_id(), "node.id": "2" if joins else "1"}
        for name, value in changes.items():
            made = re.sub(rf"^{re.escape(name)}=.*", f"{name}={value}", made, flags=re.MULTILINE)
        properties.write_text(made)
    return properties.read_text().partition("cluster.id=")[2].splitlines()[0]


def _random_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _formatted() -> Path:
    return jars.home() / "formatted"


def _archive(java: Java) -> Path:
    return jars.home() / f"classes-{java.version}.jsa"


def _prepare(java: Java) -> None:
    """Make once what later starts copy and share: a formatted storage folder and an archive of classes."""
    if _formatted().exists() and _archive(java).exists():
        return
    with jars.locked():
        if not _formatted().exists():
            _format_template(java)
        if not _archive(java).exists():
            jars.say("preparing Apache Kafka for fast starts (once)")
            _archive_classes(java)


def _format_template(java: Java) -> None:
    with tempfile.TemporaryDirectory(dir=jars.home()) as scratch:
        folder = Path(scratch)
        _write_settings(folder, *free_ports(2))
        _format(java, folder)
        (folder / "storage").rename(_formatted())


def _format(java: Java, folder: Path, *more: str) -> None:
    arguments = ["format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAA", "--config", "server.properties", *more]
    command = _command(java, folder, "kafka.tools.StorageTool", *arguments, flags=[_SHORT_LIVED])
    subprocess.run(command, check=True, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL)


def _archive_classes(java: Java) -> None:
    """Run a broker once: at its end its JVM writes the classes it used; a JVM that cannot leaves an empty archive."""
    partial = _archive(java).with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with folders.owned() as folder:
        launch(lambda: _server(java, folder / "kafka", [f"-XX:ArchiveClassesAtExit={partial}", _SHORT_LIVED])).stop()
    partial.touch()
    partial.rename(_archive(java))
