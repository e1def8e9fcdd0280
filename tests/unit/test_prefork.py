import os
import socket
from pathlib import Path

import pytest

from tests import prefork


@pytest.mark.skipif(not prefork.CAN_FORK, reason="every process is started here")
@pytest.mark.parametrize("killed", [True, False])
def test_who_connects_and_asks_nothing_keeps_nobody_waiting(tmp_path: Path, *, killed: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(prefork._parent(""))
        if killed:
            silent.close()
        process = prefork.start(["--version"], cwd=tmp_path, env=dict(os.environ))
        assert process.communicate(timeout=60)[0]
        assert process.returncode == 0
