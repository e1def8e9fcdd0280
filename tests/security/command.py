"""The command in a process of its own, against a server of this test's loop."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.prefork import PYTHON

ROOT = Path(__file__).parents[2]
TOKEN = "pe_live_Zk3vQ9distinctive7Yx"
MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Runs in `folder`; the environment holds nothing of this machine's but the path."""

    folder: Path
    url: str

    async def run(
        self,
        *words: str,
        entry: tuple[str, ...] = ("-m", "campaign"),
        before: Callable[[], object] | None = None,
        also: dict[str, str] | None = None,
        **environment: str,
    ) -> Done:
        process = await asyncio.create_subprocess_exec(
            # What is done in the process before it begins is done in the command's own.
            sys.executable if before is None else PYTHON,
            *entry,
            *words,
            cwd=self.folder,
            env=self.environment() | environment | (also or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=before,
        )
        try:
            async with asyncio.timeout(60):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return Done(code=process.returncode, out=out.decode(), err=err.decode())

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "CAMPAIGN_LEDGER": str(self.folder / "ledger" / "campaign.db"),
            "CAMPAIGN_YES": "true",
            "CAMPAIGN_RATE": "200",
            "CAMPAIGN_QUIET_PERIOD": "100ms",
            "PASSENTRY_API_URL": self.url,
            "PASSENTRY_API_KEY": TOKEN,
        }

    def make_list(self, *ids: str) -> str:
        path = self.folder / "list.csv"
        cells = ("".join(['"', text.replace('"', '""'), '"']) for text in ids)
        path.write_text("pass_id\n" + "".join(f"{cell}\n" for cell in cells), encoding="utf-8", newline="")
        return path.name


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
