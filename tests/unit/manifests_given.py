"""The manifests that a cluster is to take, as they are read, and what is wrong with one."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[2]
SHOWN = [folder for folder in sorted(ROOT.iterdir()) if folder.is_dir() and not folder.name.startswith(".") and folder.name != "tests"]
FILES = [path for folder in SHOWN for suffix in ("yaml", "yml") for path in sorted(folder.rglob(f"*.{suffix}"))]
WEEKLY = ROOT / "jobs" / "kubernetes" / "weekly-offer.yaml"
VERSION = kubernetes_validate.latest_version()


class Strictly(yaml.SafeLoader):
    """A key that stands twice is a mistake, as it is for a cluster."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as it is there
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def manifests(text: str) -> list[dict[str, Any]]:
    return [found for found in yaml.load_all(text, Loader=Strictly) if found is not None]


def refused(text: str) -> str:
    """What a cluster would say of the first manifest that it would not take; empty if it takes all."""
    try:
        for manifest in manifests(text):
            kubernetes_validate.validate(manifest, VERSION, strict=True)
    except (yaml.YAMLError, kubernetes_validate.ValidationError) as error:
        return str(error)
    return ""


def of_kind(kind: str, *files: Path) -> list[dict[str, Any]]:
    found = [manifest for file in files or FILES for manifest in manifests(file.read_text(encoding="utf-8"))]
    return [manifest for manifest in found if manifest["kind"] == kind]
