"""Every manifest that a cluster is to take passes the published schemas of Kubernetes, strictly, and what it names is there."""

import re
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from tests.unit.manifests_given import FILES, ROOT, WEEKLY, manifests, refused


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_a_cluster_takes_them(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert manifests(text)
    assert refused(text) == ""


def test_the_cron_job_is_among_them() -> None:
    assert WEEKLY in FILES
    assert [manifest["kind"] for manifest in manifests(WEEKLY.read_text(encoding="utf-8"))] == ["PersistentVolumeClaim", "CronJob"]


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("concurrencyPolicy: Forbid", "concurencyPolicy: Forbid", "concurencyPolicy"),
        ("backoffLimit: 5", 'backoffLimit: "5"', "is not of type 'integer'"),
        ("restartPolicy: Never", "restartPolicy: Never\n          restartPolicy: OnFailure", "a key stands twice"),
        ('  schedule: "0 9 * * 1"\n', "", "'schedule' is a required property"),
        ("- type: DisruptionTarget", "- typ: DisruptionTarget", "typ"),
        ("mountPath: /tmp", "mountpath: /tmp", "mountpath"),
    ],
)
def test_a_mistake_in_one_is_found(right: str, wrong: str, says: str) -> None:
    text = WEEKLY.read_text(encoding="utf-8")
    assert right in text
    assert says in refused(text.replace(right, wrong))


def test_what_the_cron_job_names_is_there() -> None:
    claim, cron = manifests(WEEKLY.read_text(encoding="utf-8"))
    job = cron["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    [container] = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    on_codes = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert {rule["containerName"] for rule in on_codes} == {container["name"]}
    assert {code for rule in on_codes for code in rule["values"]} == {2, 3, 4, 5}
    command, file = container["args"]
    assert (command, (ROOT / file).is_file()) == ("run", True)
    variables = {variable["name"]: Path(variable["value"]) for variable in container["env"]}
    mounted = {mount["name"]: Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    assert variables["CAMPAIGN_LEDGER"].is_relative_to(mounted["data"])
    assert variables["PASSENTRY_API_KEY_FILE"].is_relative_to(mounted["passentry"])


def test_the_cron_job_starts_in_the_zone_of_its_job_on_a_monday() -> None:
    _, cron = manifests(WEEKLY.read_text(encoding="utf-8"))
    zone = cron["spec"]["timeZone"]
    assert zone in available_timezones()
    assert f'time_zone = "{zone}"' in (ROOT / "jobs" / "weekly-offer.toml").read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{1,2} \d{1,2} \* \* 1", cron["spec"]["schedule"])
