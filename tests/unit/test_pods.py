"""The pods that the manifests make: what they start, name, mount and may do, and how a Job counts their ends."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from campaign.cli.main import app
from campaign.ledger.postgres.writer import TRYING_SECONDS
from campaign.loader.messages.resolve import plan_messages
from campaign.sender.pool import DRAIN_SECONDS
from tests.unit.manifests_given import ROOT, of_kind

MANY = [ROOT / "jobs" / "kubernetes" / f"spring-promo-{step}.yaml" for step in ("1-stage", "2-send", "3-report")]


def templates() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that is ever made, as metadata and spec, by the name of what makes it."""
    for kind in ("Job", "Deployment"):
        yield from ((made["metadata"]["name"], made["spec"]["template"]) for made in of_kind(kind))
    yield from ((made["metadata"]["name"], made["spec"]["jobTemplate"]["spec"]["template"]) for made in of_kind("CronJob"))


PODS = {name: template["spec"] for name, template in templates()}
each_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


def test_none_is_left_out() -> None:
    assert set(PODS) == {"campaign-weekly-offer", "spring-promo-stage", "spring-promo-send", "spring-promo-report", "campaign-console"}


@each_pod
def test_a_pod_runs_as_the_image_s_user_with_nothing_more_than_it_needs(pod: dict[str, Any]) -> None:
    user = re.search(r"(?:--uid|useradd.*-u|USER)[ =](\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert user is not None
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == int(user[1])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


@each_pod
def test_what_a_pod_names_is_there(pod: dict[str, Any]) -> None:
    secrets = {made["metadata"]["name"]: set(made["stringData"]) for made in of_kind("Secret")}
    configurations = {made["metadata"]["name"] for made in of_kind("ConfigMap")}
    claims = {made["metadata"]["name"] for made in of_kind("PersistentVolumeClaim")}
    [container] = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    for volume in pod["volumes"]:
        match volume:
            case {"secret": {"secretName": name} as secret}:
                assert {item["key"] for item in secret.get("items", ())} <= secrets[name]
            case {"configMap": {"name": name}}:
                assert name in configurations
            case {"persistentVolumeClaim": {"claimName": name}}:
                assert name in claims
            case _:
                assert "emptyDir" in volume
    for variable in container["env"]:
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["key"] in secrets[reference["name"]]
    assert {source["secretRef"]["name"] for source in container.get("envFrom", ())} <= set(secrets)


@each_pod
def test_what_a_pod_reads_and_writes_is_on_a_volume_of_its_own(pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    mounted = [Path(mount["mountPath"]) for mount in container["volumeMounts"]]
    assert Path("/tmp") in mounted  # noqa: S108 - of a container, where it is its own
    written = [word.partition("=")[2] or word for word in container["args"]]
    written += [variable.get("value", "") for variable in container["env"]]
    paths = [Path(text) for text in written if text.startswith("/")]
    assert paths
    assert [path for path in paths if not any(path.is_relative_to(place) for place in mounted)] == []
    # An address in a secret, too.
    [url] = [made["stringData"]["url"] for made in of_kind("Secret") if "url" in made["stringData"]]
    if "ledger" in (volumes := {mount["name"]: Path(mount["mountPath"]) for mount in container["volumeMounts"]}):
        assert url.endswith(f"?sslmode=verify-full&sslrootcert={volumes['ledger'] / 'ca.pem'}")


@each_pod
def test_what_a_pod_starts_is_a_command_and_its_options(pod: dict[str, Any]) -> None:
    command, *words = pod["containers"][0]["args"]
    commands = getattr(typer.main.get_command(app), "commands", {})
    found = commands[command]
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@each_pod
def test_a_pod_that_is_stopped_has_the_time_to_settle_and_to_record_what_is_under_way(pod: dict[str, Any]) -> None:
    assert pod["terminationGracePeriodSeconds"] >= DRAIN_SECONDS + TRYING_SECONDS + 10


def test_nothing_in_the_examples_is_a_secret() -> None:
    for secret in of_kind("Secret"):
        assert all("REPLACE-ME" in value for value in secret["stringData"].values())


class TestManyPods:
    """The three Jobs of one campaign."""

    def test_they_are_about_one_campaign_and_one_file_of_results(self) -> None:
        stage, send, report = (made["spec"]["template"]["spec"]["containers"][0]["args"] for made in of_kind("Job", *MANY))
        assert [stage[0], send[0], report[0]] == ["stage", "send", "report"]
        assert "--name=spring-promo" in stage
        assert send[1] == report[1] == "spring-promo"
        results = [word for word in stage if word.startswith("--results=")]
        assert results == [f"--results={word.partition('=')[2]}" for word in report if word.startswith("--output=")]

    def test_the_template_is_in_its_configuration_and_can_be_rendered(self) -> None:
        [job], [configuration] = of_kind("Job", MANY[0]), of_kind("ConfigMap", MANY[0])
        [container] = job["spec"]["template"]["spec"]["containers"]
        [folder] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "templates"]
        [template] = [word.partition("=")[2] for word in container["args"] if word.startswith("--template=")]
        assert template in [f"{folder}/{file}" for file in configuration["data"]]
        text = configuration["data"]["offer.txt"]
        plan = plan_messages(("pass_id", "first_name", "code"), message=text, template=None, templates=None)
        assert plan.render(("p1", "", "SPRING20")).text == "Hi there, SPRING20 gives 20 % off until Sunday"

    def test_several_pods_share_the_campaign_until_it_is_finished(self) -> None:
        [job] = of_kind("Job", MANY[1])
        spec = job["spec"]
        assert (spec["completionMode"], spec["podReplacementPolicy"]) == ("NonIndexed", "Failed")
        # Without a number of completions, the first pod that ends well, as the campaign is finished, is the last that was started.
        assert spec["parallelism"] > 1
        assert "completions" not in spec

    def test_only_what_another_start_can_correct_is_started_again(self) -> None:
        [job] = of_kind("Job", MANY[1])
        actions = {code: rule["action"] for rule in job["spec"]["podFailurePolicy"]["rules"] for code in _codes(rule, "campaign")}
        assert actions == {2: "FailJob", 3: "FailJob"}
        assert job["spec"]["podFailurePolicy"]["rules"][0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
        assert job["spec"]["backoffLimit"] > job["spec"]["parallelism"]

    def test_the_budget_is_of_its_pods_and_lets_some_go(self) -> None:
        [job], [budget] = of_kind("Job", MANY[1]), of_kind("PodDisruptionBudget", MANY[1])
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert 0 < budget["spec"]["minAvailable"] < job["spec"]["parallelism"]
        [spread] = job["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


def _codes(rule: dict[str, Any], container: str) -> list[int]:
    if "onExitCodes" not in rule:
        return []
    assert (rule["onExitCodes"]["containerName"], rule["onExitCodes"]["operator"]) == (container, "In")
    codes: list[int] = rule["onExitCodes"]["values"]
    return codes


def test_the_console_s_service_leads_to_it() -> None:
    file = ROOT / "jobs" / "kubernetes" / "console.yaml"
    [deployment], [service] = of_kind("Deployment", file), of_kind("Service", file)
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")
    template = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == template["metadata"]["labels"]
    [container] = template["spec"]["containers"]
    [port] = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert f"--port={port['containerPort']}" in container["args"]
    probes = [container[probe]["tcpSocket"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert set(probes) == {port["name"]}
