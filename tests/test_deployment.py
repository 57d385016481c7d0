"""Dockerfile, docker-compose.yml and .env.example, checked without an engine."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from clinic.local.home import ROOT

COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
DOCKERFILE = ROOT / "Dockerfile"
VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:(:?[-?])([^}]*))?\}")
SECRETS = {"SECRET_KEY", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "POLICY_API_KEY"}
PINNED = re.compile(r"^[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*$")

STRINGS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
TEXT = {"type": "string", "minLength": 1}
SECONDS = {"type": "string", "pattern": r"^\d+(s|m)$"}
HEALTHCHECK = {
    "oneOf": [
        {"type": "object", "properties": {"disable": {"const": True}}, "required": ["disable"]},
        {
            "type": "object",
            "properties": {
                "test": {**STRINGS, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}], "minItems": 2},
                "interval": SECONDS,
                "timeout": SECONDS,
                "start_period": SECONDS,
                "retries": {"type": "integer", "minimum": 1},
            },
            "required": ["test", "interval", "timeout", "retries"],
            "additionalProperties": False,
        },
    ]
}
CONDITION = {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
DEVICE = {
    "type": "object",
    "properties": {"driver": {"const": "nvidia"}, "device_ids": STRINGS, "capabilities": {"const": ["gpu"]}},
    "required": ["driver", "device_ids", "capabilities"],
    "additionalProperties": False,
}
SERVICE = {
    "type": "object",
    "properties": {
        "image": TEXT,
        "build": {
            "type": "object",
            "properties": {"context": TEXT, "target": TEXT},
            "required": ["context", "target"],
            "additionalProperties": False,
        },
        "command": STRINGS,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "restart": {"enum": ["no", "unless-stopped"]},
        "init": {"type": "boolean"},
        "read_only": {"type": "boolean"},
        "tmpfs": STRINGS,
        "cap_drop": STRINGS,
        "security_opt": STRINGS,
        "volumes": STRINGS,
        "networks": STRINGS,
        "ports": STRINGS,
        "profiles": STRINGS,
        "shm_size": {"type": "string", "pattern": r"^\d+(mb|gb)$"},
        "stop_grace_period": SECONDS,
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"condition": CONDITION},
                "required": ["condition"],
                "additionalProperties": False,
            },
        },
        "healthcheck": HEALTHCHECK,
        "deploy": {
            "type": "object",
            "properties": {
                "resources": {
                    "type": "object",
                    "properties": {
                        "reservations": {
                            "type": "object",
                            "properties": {"devices": {"type": "array", "items": DEVICE, "minItems": 1}},
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
    },
    "required": ["image", "restart", "networks", "healthcheck"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "services": {"type": "object", "additionalProperties": SERVICE},
        "networks": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {"internal": {"type": "boolean"}},
                "additionalProperties": False,
            },
        },
        "volumes": {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
    },
    "patternProperties": {"^x-": {}},
    "required": ["name", "services", "networks", "volumes"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    return compose["services"]


def documented() -> list[str]:
    """Names in .env.example, in order, set or commented out."""
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE.read_text(), re.MULTILINE)


def settings_variables() -> list[str]:
    """Names that clinic/settings.py reads through its helpers, in the order of the file."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / "clinic" / "settings.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "env"
        if node.args and isinstance(node.args[0], ast.Constant)
    ]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return list(dict.fromkeys(str(call.args[0].value) for call in calls))  # type: ignore[attr-defined]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", "").splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in instructions():
        if word == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        found[name].append((word, rest))
    return found


# --- docker-compose.yml --------------------------------------------------------------------------------------------
def faults(document: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def test_compose_has_the_shape(compose):
    assert not faults(compose)


@pytest.mark.parametrize(
    ("where", "wrong"),
    [("healthchek", {}), ("ports", "8000:8000"), ("depends_on", {"postgres": {"condition": "healthy"}})],
)
def test_the_shape_check_sees_mistakes(where, wrong):
    document = yaml.safe_load(COMPOSE.read_text())
    document["services"]["web"] = {**document["services"]["web"], where: wrong}
    assert faults(document)


def test_compose_has_the_parts(services):
    parts = {"web", "worker", "gpu-worker", "migrate", "agent", "world", "postgres", "valkey"}
    assert set(services) == parts


def test_names_used_are_declared(compose, services):
    for name, service in services.items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("depends_on", {})) <= set(services), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("${MODELS_DIR") or source in compose["volumes"], name


def test_waiting_for_health_needs_a_health_check(services):
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in services[other]["healthcheck"], f"{name} waits for {other}"
            if wait["condition"] == "service_completed_successfully":
                assert services[other]["restart"] == "no", f"{name} waits for {other}"


def test_images_are_pinned(services):
    images = {service["image"] for service in services.values()}
    assert [image for image in images if not PINNED.match(image)] == []


def test_only_the_web_can_be_reached_and_only_from_this_host(compose, services):
    assert [name for name, service in services.items() if "ports" in service] == ["web"]
    assert services["web"]["ports"] == ["${WEB_PUBLISH:-127.0.0.1:8000}:8000"]
    assert compose["networks"]["inside"]["internal"] is True
    assert {name: s["networks"] for name, s in services.items() if s["networks"] != ["inside"]} == {
        "web": ["inside", "front"]
    }


def test_our_containers_have_no_rights_to_spare(services):
    for name in ("web", "worker", "gpu-worker", "migrate"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_model_servers_have_a_gpu_no_way_out_and_a_real_probe(services):
    devices = set()
    for name in ("agent", "world"):
        service = services[name]
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        devices.add(device["device_ids"][0])
        assert service["volumes"][0].endswith(":/models:ro")
        assert service["environment"]["HF_HUB_OFFLINE"] == "1"
        assert "/v1/completions" in service["healthcheck"]["test"][-1]
        ast.parse(service["healthcheck"]["test"][-1])
    assert len(devices) == 2


def test_agent_server_flags_are_whole_json(services):
    flags = [flag for flag in services["agent"]["command"] if flag.startswith("--structured-outputs-config=")]
    assert json.loads(flags[0].partition("=")[2]) == {"backend": "xgrammar", "disable_any_whitespace": True}


def test_engine_that_turns_name_is_the_engine_that_serves(services):
    said = services["web"]["environment"]["POLICY_ENGINE"].removeprefix("vllm ")
    assert {services[name]["image"] for name in ("agent", "world")} == {f"vllm/vllm-openai:v{said}"}


def test_production_never_has_demo_logins(services):
    for name in ("web", "worker", "gpu-worker", "migrate"):
        assert services[name]["environment"]["ROUNDS_ENV"] == "production"
        assert services[name]["environment"]["ROUNDS_DEMO"] == "0"


def test_application_reads_what_compose_gives_it(services):
    """A misspelt name would be silently ignored by the settings."""
    read_by_settings = set(settings_variables())
    read_elsewhere = {"FORWARDED_ALLOW_IPS", "POLICY_API_KEY"}  # uvicorn; an endpoint's api_key_variable
    for name in ("web", "worker", "gpu-worker", "migrate"):
        assert set(services[name]["environment"]) <= read_by_settings | read_elsewhere


def filled_in(text: str, given: dict[str, str]) -> str:
    """As Compose would interpolate it."""
    return VARIABLE.sub(lambda found: given.get(found[1]) or (found[3] if found[2] == ":-" else ""), text)


def test_production_settings_start_and_pass_the_deployment_check(services):
    given = {"SECRET_KEY": "k3-" * 20 + "Zx9", "ALLOWED_HOSTS": "rounds.example.org", "POSTGRES_PASSWORD": "secret"}
    settings = {name: filled_in(value, given) for name, value in services["web"]["environment"].items()}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment = {"PATH": os.environ["PATH"], **settings}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("wrong", [{"ROUNDS_DEMO": "1"}, {"SECRET_KEY": "short"}])
def test_production_settings_refuse(services, wrong):
    given = {"SECRET_KEY": "k3-" * 20 + "Zx9", "ALLOWED_HOSTS": "rounds.example.org", "POSTGRES_PASSWORD": "secret"}
    settings = {name: filled_in(value, given) for name, value in services["web"]["environment"].items()}
    environment = {"PATH": os.environ["PATH"], **settings, **wrong}
    command = [sys.executable, "manage.py", "check"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode != 0
    assert "ImproperlyConfigured" in told.stderr


def test_queues_are_the_ones_that_settings_route_to(services):
    from django.conf import settings

    routed = {settings.CELERY_TASK_DEFAULT_QUEUE, *(route["queue"] for route in settings.CELERY_TASK_ROUTES.values())}
    default = services["worker"]["command"]
    gpu = json.loads(dict(stages()["gpu-worker"])["CMD"])
    assert {command[command.index("--queues") + 1] for command in (default, gpu)} == routed


def test_docker_compose_itself_agrees(tmp_path):
    if shutil.which("docker") is None:
        pytest.skip("the docker command is not installed")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose plugin here")
    filled = "\n".join(f"{name}={'x' * 60}" for name in [*SECRETS, "ALLOWED_HOSTS", "AGENT_MODEL"])
    (tmp_path / "env").write_text(filled)
    command = ["docker", "compose", "--file", str(COMPOSE), "--env-file", str(tmp_path / "env"), "config", "--quiet"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


# --- variables -----------------------------------------------------------------------------------------------------
def test_every_compose_variable_is_explained():
    used = {match[0] for match in VARIABLE.findall(COMPOSE.read_text())}
    assert used
    assert used - set(documented()) == set()


def test_no_dollar_in_compose_escapes_the_check():
    """Whatever is not ${NAME…} must be doubled, or Compose would read it as a variable of another form."""
    rest = VARIABLE.sub("", COMPOSE.read_text()).replace("$$", "")
    assert "$" not in rest


def test_secrets_are_asked_for_and_never_given():
    for name, operator, default in VARIABLE.findall(COMPOSE.read_text()):
        if name in SECRETS:
            assert operator == ":?", f"{name} must have no default ({default})"
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert {name: value for name, value in given.items() if name in SECRETS and value} == {}


def test_every_setting_is_explained_in_the_order_of_the_settings():
    wanted = settings_variables()
    assert [name for name in documented() if name in wanted] == wanted


def test_every_variable_of_the_local_stack_is_explained():
    sources = [ROOT / "run.py", *sorted((ROOT / "clinic" / "local").glob("*.py"))]
    read = {name for file in sources for name in re.findall(r'environ\.get\("([A-Z_]+)"', file.read_text())}
    assert {"ROUNDS_HOME", "ROUNDS_PORT", "ROUNDS_TORCH_INDEX"} <= read
    assert read - set(documented()) == set()


def test_every_line_of_the_example_has_one_name_and_an_explanation():
    names = documented()
    assert len(names) == len(set(names))
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z][A-Z0-9_]*=", line):
            above = lines[number - 1]
            assert above.startswith("# ") or re.match(r"#?[A-Z][A-Z0-9_]*=", above), line


def test_defaults_in_the_example_are_the_defaults_in_force():
    """What compose says after :- and what the example shows must not drift apart."""
    shown = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    different = {"POLICY_MODEL"}  # compose names its own server's model
    for name, operator, default in VARIABLE.findall(COMPOSE.read_text()):
        if operator == ":-" and name not in different:
            assert default == shown[name], name


# --- Dockerfile ------------------------------------------------------------------------------------------------------
def test_dockerfile_copies_what_exists():
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest:
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists(), source


def test_what_is_copied_is_not_ignored():
    ignored = {line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"}
    copied = {s for word, rest in instructions() if word == "COPY" and "--from=" not in rest for s in rest.split()[:-1]}
    assert {Path(source).parts[0] for source in copied} & ignored == set()
    assert {".env", ".git", "var", ".venv", ".venv-*"} <= ignored


def test_dockerfile_images_are_pinned_and_stages_exist():
    known: list[str] = []
    for word, rest in instructions():
        if word != "FROM":
            continue
        image, name = rest.split(" AS ")
        assert image in known or PINNED.match(image), image
        known.append(name)
    copied = re.findall(r"--from=(\S+)", DOCKERFILE.read_text())
    assert set(copied) <= set(known)


def test_compose_builds_stages_that_exist(services):
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets == {"app", "gpu-worker"}
    assert targets <= set(stages())


def test_application_runs_as_nobody_special():
    words = [(word, rest) for word, rest in stages()["app"] if word in ("USER", "CMD", "HEALTHCHECK")]
    assert words[0] == ("USER", "rounds")
    assert [word for word, _ in words] == ["USER", "HEALTHCHECK", "CMD"]
    assert ("FROM", "app AS gpu-worker") in stages()["gpu-worker"]
    assert not [rest for word, rest in stages()["gpu-worker"] if word == "USER"]


def test_packages_are_checked_by_hash():
    installs = [part for word, rest in instructions() if word == "RUN" for part in rest.split("&&") if "/pip" in part]
    assert len(installs) == 3
    unchecked = [part for part in installs if "--require-hashes" not in part]
    assert [part.split()[-1] for part in unchecked] == ['"$TORCH"']


def test_training_image_has_the_torch_that_training_is_pinned_to():
    import run

    wanted = run.TORCH.removesuffix("+cpu")
    assert ("ARG", f"TORCH={wanted}") in stages()["trainer"]


def test_commands_are_json_and_name_what_the_image_has():
    for stage in ("app", "gpu-worker"):
        command = json.loads(dict(stages()[stage])["CMD"])
        assert command[0] in ("uvicorn", "celery")
        assert (ROOT / "requirements" / "web.txt").read_text().count(f"\n{command[0]}==") == 1


def test_health_checks_are_programs(services):
    (check,) = [rest for word, rest in stages()["app"] if word == "HEALTHCHECK"]
    in_image = json.loads(check[check.index("CMD ") + 4 :])
    in_compose = services["web"]["healthcheck"]["test"][1:]
    for command in (in_image, in_compose):
        assert command[:2] == ["python", "-c"]
        ast.parse(command[2])
        assert "/healthz" in command[2]


def test_static_files_can_be_collected_as_the_image_does_it(tmp_path):
    (step,) = [rest for word, rest in instructions() if word == "RUN" and "collectstatic" in rest]
    words = shlex.split(step)
    given = dict(word.split("=", 1) for word in words[: words.index("python")])
    environment = {"PATH": os.environ["PATH"], "STATIC_ROOT": str(tmp_path), **given}
    command = [sys.executable, *words[words.index("python") + 1 :]]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "staticfiles.json").exists()


# --- documents -------------------------------------------------------------------------------------------------------
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_decision_is_listed():
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(file.name for file in folder.glob("[0-9]*.md"))
    for number, name in enumerate(listed, start=1):
        assert name.startswith(f"{number:04}-")
        assert (folder / name).read_text().startswith(f"# {number:04} ")


def test_readme_names_the_demo_logins_that_exist():
    from clinic.services import demo

    told = re.findall(r"^\| `([a-z-]+)` \| `([a-z-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert told == [(person[0], demo.password_of(person[0])) for person in demo.PEOPLE]


def test_readme_names_the_commands_that_exist():
    table = re.search(r"^## Management commands(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert table
    cells = re.findall(r"^\| (`.*?) \|", table[1], re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"`([a-z_]+)", cell)}
    made = {file.stem for room in ("clinic", "training") for file in ROOT.glob(f"{room}/management/commands/[a-z]*.py")}
    assert told
    assert told - made == set()
