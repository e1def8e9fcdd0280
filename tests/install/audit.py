"""Ask pip-audit whether a pinned version has a known vulnerability: `python -m tests.install.audit`. Exits 1 if one has.

Without a network, or where the advisory service knows no package, it says so and exits 0.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

CONSTRAINTS: Final = Path(__file__).resolve().parents[2] / "constraints.txt"


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--disable-pip", "--no-deps"]
    done = subprocess.run([*command, "--format", "json", "--progress-spinner", "off"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except json.JSONDecodeError:
        print(f"pip-audit: skipped, there was no answer ({last_line(done.stderr)}).")
        return 0
    audited = [package for package in packages if "skip_reason" not in package]
    if not audited:
        print(f"pip-audit: skipped, the advisory service knows none of the {len(packages)} pinned packages.")
        return 0
    vulnerable = [package for package in audited if package["vulns"]]
    for package in vulnerable:
        for advisory in package["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {advisory['id']}, fixed in {fixed}")
    print(f"pip-audit: {len(audited)} of {len(packages)} pinned packages audited, {len(vulnerable)} with a known vulnerability.")
    return 1 if vulnerable else 0


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


if __name__ == "__main__":
    sys.exit(main())
