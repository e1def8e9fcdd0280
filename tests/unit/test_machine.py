"""What is read of a machine and of a file: nothing that changes while they are the same."""

import os
import shutil
from pathlib import Path

import pytest

from campaign.ledger import machine


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is no container, with its files in a folder of the test."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(machine, "CONTAINER_MARKS", (tmp_path / ".dockerenv",))
    monkeypatch.setattr(machine, "MACHINE_IDS", (tmp_path / "machine-id", tmp_path / "dbus-id"))
    monkeypatch.setattr(machine, "ADAPTERS", tmp_path / "net")


class TestMachine:
    def test_its_id_is_a_fingerprint_that_does_not_tell_it(self, tmp_path: Path) -> None:
        (tmp_path / "machine-id").write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n", encoding="ascii")
        found = machine.machine_id()
        assert found == machine.machine_id() != ""
        assert "3d1219c7" not in found
        (tmp_path / "machine-id").write_text("another\n", encoding="ascii")
        assert machine.machine_id() not in {"", found}

    def test_an_empty_id_is_none_and_another_place_is_asked(self, tmp_path: Path) -> None:
        assert machine.machine_id() == ""
        (tmp_path / "machine-id").touch()
        assert machine.machine_id() == ""
        (tmp_path / "dbus-id").write_text("one", encoding="ascii")
        assert machine.machine_id() != ""

    def test_a_container_has_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "machine-id").write_text("one", encoding="ascii")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        assert machine.machine_id() == ""
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
        (tmp_path / ".dockerenv").touch()
        assert machine.machine_id() == ""


class TestAdapters:
    def add(self, tmp_path: Path, name: str, address: str, *, bus: str = "pci", wireless: bool = False) -> None:
        adapter = tmp_path / "net" / name
        adapter.mkdir(parents=True)
        (adapter / "address").write_text(f"{address}\n", encoding="ascii")
        if wireless:
            (adapter / "phy80211").mkdir()
        if bus:
            (tmp_path / "bus" / bus).mkdir(parents=True, exist_ok=True)
            (adapter / "device").mkdir()
            (adapter / "device" / "subsystem").symlink_to(tmp_path / "bus" / bus)

    def test_only_those_that_stay_with_the_machine_count(self, tmp_path: Path) -> None:
        self.add(tmp_path, "eth0", "52:54:00:aa:bb:01")
        built_in = machine.adapters()
        assert len(built_in) == 1
        self.add(tmp_path, "veth1", "02:42:ac:11:00:02", bus="")
        self.add(tmp_path, "dock0", "00:e0:4c:00:00:01", bus="usb")
        self.add(tmp_path, "wlan0", "3c:22:fb:00:00:01", wireless=True)
        self.add(tmp_path, "wsl0", "00:15:5d:00:00:01", bus="vmbus")
        self.add(tmp_path, "none0", "00:00:00:00:00:00")
        (tmp_path / "net" / "bonding_masters").touch()
        assert machine.adapters() == built_in
        self.add(tmp_path, "eth1", "52:54:00:aa:bb:02", bus="virtio")
        assert machine.adapters() > built_in

    def test_a_machine_without_any_has_none(self) -> None:
        assert machine.adapters() == frozenset()


class TestCreation:
    def test_writing_renaming_and_access_change_nothing_and_a_copy_is_younger(self, tmp_path: Path) -> None:
        path = tmp_path / "it.db"
        path.write_text("one", encoding="utf-8")
        made = machine.created_ns(path)
        if not made:
            pytest.skip("this file system keeps no time of creation")
        path.write_text("another", encoding="utf-8")
        os.utime(path, (1, 1))
        path.chmod(0o640)
        moved = path.rename(tmp_path / "moved.db")
        assert machine.created_ns(moved) == made
        shutil.copy2(moved, path)
        assert machine.created_ns(path) > made
        (tmp_path / "link.db").symlink_to(moved)
        assert machine.created_ns(tmp_path / "link.db") == made

    def test_a_file_system_that_does_not_say_is_no_fault(self) -> None:
        assert machine.created_ns(Path("/proc/self/status")) == 0
