"""An S3 on this machine: moto's server in a process of its own, and a relay before it that dies in the middle of an upload."""

import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import boto3

BUCKET = "shop"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAANYKEYATALL00000",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-may-see",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What people would look at in the store's own console. Nobody is asked for credentials until `ask_for_credentials`."""

    address: str
    s3: Any

    @property
    def environment(self) -> dict[str, str]:
        return KEYS | {"AWS_ENDPOINT_URL": self.address}

    def put(self, key: str, content: str | bytes) -> str:
        """An object of the bucket; its URL."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        with closing(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"]) as body:
            content: bytes = body.read()
            return content

    def text(self, key: str) -> str:
        return self.get(key).decode("utf-8-sig")

    def names(self) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def uploads(self) -> list[str]:
        """The names of those in parts that are not completed."""
        return [found["Key"] for found in self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]

    def empty(self) -> None:
        for name in self.names():
            self.s3.delete_object(Bucket=BUCKET, Key=name)

    def ask_for_credentials(self, *actions: str) -> dict[str, str]:
        """From now on every request is checked; the environment of someone who may do only this, such as `s3:GetObject`."""
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions or "none:None", "Resource": "*"}]}
        with closing(_client("iam", self.address)) as iam:
            iam.create_user(UserName="someone")
            iam.put_user_policy(UserName="someone", PolicyName="all", PolicyDocument=json.dumps(allowed))
            keys = iam.create_access_key(UserName="someone")["AccessKey"]
        address = f"{self.address}/moto-api/reset-auth"
        request = urllib.request.Request(address, data=b"0", headers={"Content-Type": "text/plain"})  # noqa: S310 - loopback
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - (same)
        return self.environment | {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}


@contextmanager
def serving() -> Iterator[Store]:
    """A store with one empty bucket."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    log = process.stderr
    try:
        address = next(found[0] for line in log if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        # Nobody reads the log any more, and a full pipe would stop the server.
        rest = threading.Thread(target=log.read)
        rest.start()
        with closing(_client("s3", address)) as s3:
            s3.create_bucket(Bucket=BUCKET)
            yield Store(address=address, s3=s3)
    finally:
        process.kill()
        process.wait(timeout=10)
        rest.join(timeout=10)
        log.close()


def _client(service: str, address: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=address,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        region_name=KEYS["AWS_DEFAULT_REGION"],
    )


@dataclass
class Relay:
    """Passes connections on to a store until a client sends `fatal`, of which half gets through.

    Then all of them break, and no new one is taken, as by a server that died; or, if it is `silent`, nothing more comes until the end.
    """

    store: Store
    fatal: bytes
    silent: bool = False
    died: threading.Event = field(default_factory=threading.Event)
    _ends: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._door = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.died.set()
        self._die()

    @property
    def environment(self) -> dict[str, str]:
        return KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}"}

    @property
    def _port(self) -> int:
        port: int = self._door.getsockname()[1]
        return port

    def _take(self) -> None:
        host, _, port = self.store.address.removeprefix("http://").partition(":")
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection((host, int(port)))
                self._ends += [client, server]
                threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                if self.fatal in block and self.silent:
                    self.died.wait(timeout=60)
                if self.fatal in block:
                    sink.sendall(block[: len(block) // 2])
                    self.died.set()
                    self._die()
                    return
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)

    def _die(self) -> None:
        for end in [self._door, *self._ends]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
