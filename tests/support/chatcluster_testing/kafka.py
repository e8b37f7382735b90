"""Kafka as a process of the tests: one node that is broker and controller, from the jars that the image is built of."""

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatcluster_testing.process import Program, accepts, find_program, free_port

USERNAME, PASSWORD = "chat", "kafka-password"

_POM = Path(__file__).parents[3] / "stores" / "kafka" / "pom.xml"
_SOURCES = _POM.parent / "src"
_JAVA = ["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chatcluster" / "kafka"
_DOWNLOAD_SECONDS = 600


@dataclass
class Kafka:
    """A running broker that asks for SASL PLAIN. `program` can be stopped and started again; its data survives that."""

    program: Program
    port: int

    @property
    def env(self) -> dict[str, str]:
        """The settings that services take to connect."""
        return {
            "CHAT_KAFKA_BOOTSTRAP": f"127.0.0.1:{self.port}",
            "CHAT_KAFKA_USERNAME": USERNAME,
            "CHAT_KAFKA_PASSWORD": PASSWORD,
        }


@contextlib.contextmanager
def running_kafka(sign_in: Mapping[str, str] | None = None, java_options: Sequence[str] = ()) -> Iterator[Kafka]:
    """A broker on free loopback ports with its data in a temporary folder.

    `sign_in` has settings in place of those that know one user; the classes of the image are there for them, compiled.
    """
    folder = Path(tempfile.mkdtemp(prefix="chatcluster-kafka-"))
    port, controller = free_port(), free_port()
    jars = class_path()
    own = f"{folder}:{classes()}" if sign_in else str(folder)
    java = [find_program("java"), *java_options, "-cp", f"{own}:{jars}"]
    log_to_console(folder)
    properties = folder / "server.properties"
    settings = _properties(folder, port, controller) | dict(sign_in or {})
    properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    try:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        subprocess.run(
            [*java, *_JAVA, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)],
            check=True,
            capture_output=True,
            timeout=120,
        )
        argv = [*java, *_JAVA, "kafka.Kafka", str(properties)]
        program = Program("kafka", argv, folder, lambda: accepts(port), timeout=120)
        program.start()
        try:
            yield Kafka(program, port)
        finally:
            program.kill()  # its clean stop takes seconds, for data that goes with the folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _properties(folder: Path, port: int, controller: int) -> dict[str, str]:
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = f'username="{USERNAME}" password="{PASSWORD}" user_{USERNAME}="{PASSWORD}"'
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": f"{login} {users};",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.enable": "false",
    }


def log_to_console(folder: Path) -> None:
    """Write the logging configuration that Kafka finds when `folder` is on its class path."""
    (folder / "log4j2.properties").write_text(
        "rootLogger.level=WARN\nrootLogger.appenderRef.stdout.ref=STDOUT\nappender.console.type=Console\n"
        "appender.console.name=STDOUT\nappender.console.layout.type=PatternLayout\n"
        "appender.console.layout.pattern=%d %p %m (%c)%n\n"
        "logger.own.name=dev.chatcluster\nlogger.own.level=INFO\n"
    )


def classes() -> Path:
    """A folder with the classes of the image, compiled once."""
    sources = sorted(_SOURCES.rglob("*.java"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in [_POM, *sources])).hexdigest()[:16]
    folder = _CACHE / f"{digest}.classes"
    if not folder.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=_CACHE))
        javac = [find_program("javac"), "-cp", class_path(), "-d", str(part), *map(str, sources)]
        subprocess.run(javac, check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS)
        with contextlib.suppress(OSError):  # another run was faster
            part.rename(folder)
        shutil.rmtree(part, ignore_errors=True)
    return folder


def class_path() -> str:
    """The jars that `pom.xml` names, fetched by Maven once; the answer is kept in the user's cache under its hash."""
    file = _CACHE / f"{hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]}.classpath"
    if not file.exists() or not all(Path(jar).exists() for jar in file.read_text().split(":")):
        _CACHE.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        goal = ["dependency:build-classpath", "-DincludeScope=runtime", f"-Dmdep.outputFile={part}"]
        subprocess.run(
            [find_program("mvn"), "--batch-mode", "--quiet", f"--file={_POM}", *goal],
            check=True,
            timeout=_DOWNLOAD_SECONDS,
        )
        part.replace(file)
    return file.read_text()
