"""compose.yaml as far as it can be checked without a container engine."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from agents.providers import PROVIDERS
from telephony.caller.options import options
from tests.contract.servers import free_port

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "deploy" / "compose.yaml"
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")
EXAMPLE = {
    "SIP_PUBLIC_IP": "127.0.0.1",
    "LIVEKIT_API_SECRET": "s" * 40,
    "REDIS_PASSWORD": "redis-password",
}


def filled() -> dict:
    """compose.yaml with its variables replaced as Compose would."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        return rest if kind == "-" else EXAMPLE.get(name, f"{name.lower()}-value")

    return yaml.safe_load(VARIABLE.sub(value, COMPOSE.read_text()))


def test_every_image_is_pinned_to_a_version():
    images = [service["image"] for service in filled()["services"].values()]
    assert [image for image in images if not re.search(r":v?\d|:RELEASE\.\d", image)] == []


def test_every_variable_is_explained_in_the_example_file():
    example = (ROOT / ".env.example").read_text()
    names = {match[1] for match in VARIABLE.finditer(COMPOSE.read_text())}
    assert {name for name in names if not re.search(rf"^#?\s?{name}=", example, re.M)} == set()


def test_all_of_django_gets_every_setting_of_speech_and_answers():
    """Two processes which see different environments would undo each other's accounts."""
    passed_on = filled()["services"]["web"]["environment"]
    providers = {
        name
        for provider in PROVIDERS.values()
        for name in (provider.key_env, provider.url_env)
        if name
    }
    assert providers - set(passed_on) == set()
    api = {
        "API_REQUESTS_PER_MINUTE",
        "API_PROXIES",
        "WEBHOOK_PRIVATE_NETWORKS",
        "INGRESS_PRIVATE_NETWORKS",
    }
    assert api <= set(passed_on)
    assert filled()["services"]["celery"]["environment"] == passed_on


def test_secrets_have_no_default():
    defaults = {m[1] for m in VARIABLE.finditer(COMPOSE.read_text()) if m[2] == "-"}
    assert {n for n in defaults if re.search("SECRET|PASSWORD|TOKEN|_KEY$", n)} <= {
        "LIVEKIT_API_KEY"
    }


def test_the_worker_holds_no_database_and_no_bucket_credentials():
    environment = filled()["services"]["worker"]["environment"]
    assert [n for n in environment if n.startswith(("DATABASE", "S3_", "SECRET_KEY"))] == []


# of ServiceConfig and its parts in livekit/ingress v1.5.0, pkg/config/config.go
INGRESS_KEYS = {
    "api_key", "api_secret", "ws_url", "redis", "health_port", "debug_handler_port",
    "prometheus_port", "rtmp_port", "whip_port", "http_relay_port", "logging", "development",
    "whip_proxy_enabled", "rtc_config", "cpu_cost", "enable_stream_latency_reduction",
}  # fmt: skip


def test_ingress_has_its_own_profile_and_only_keys_it_knows():
    services = filled()["services"]
    assert services["ingress"]["profiles"] == ["ingress"]
    told = yaml.safe_load(services["ingress"]["environment"]["INGRESS_CONFIG_BODY"])
    assert set(told) <= INGRESS_KEYS
    livekit = yaml.safe_load(services["livekit"]["environment"]["LIVEKIT_CONFIG"])
    assert f":{told['rtmp_port']}/" in livekit["ingress"]["rtmp_base_url"]
    assert f":{told['whip_port']}/" in livekit["ingress"]["whip_base_url"]
    same = ("address", "password")
    assert [told["redis"][n] for n in same] == [livekit["redis"][n] for n in same]


def test_commands_of_the_image_exist():
    commands = [
        s["command"] for s in filled()["services"].values() if "contactcenter" in s["image"]
    ]
    programs = {command[0] for command in commands} - {"sh", "python"}
    assert {p for p in programs if not (ROOT / ".venv" / "bin" / p).exists()} == set()


@pytest.fixture
def redis(tmp_path):
    port = free_port()
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed; run make setup"
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path),
         "--requirepass", EXAMPLE["REDIS_PASSWORD"]],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(port)
    yield port
    process.kill()
    process.wait()


def wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nothing answers on port {port}")


@pytest.fixture
def livekit(redis):
    port = free_port()
    body = filled()["services"]["livekit"]["environment"]["LIVEKIT_CONFIG"]
    body = body.replace("7880", str(port)).replace("6390", str(redis))
    process = subprocess.Popen(
        [str(ROOT / "bin" / "livekit-server")],
        env={**os.environ, "LIVEKIT_CONFIG": body},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(port)
    yield port
    process.kill()
    process.wait()


def test_the_real_sip_service_starts_with_the_text_in_compose(redis, livekit):
    sip_port = free_port()
    body = filled()["services"]["sip"]["environment"]["SIP_CONFIG_BODY"]
    body = body.replace("7880", str(livekit)).replace("6390", str(redis))
    body = body.replace("5060", str(sip_port))
    process = subprocess.Popen(
        [str(ROOT / "bin" / "livekit-sip")],
        env={**os.environ, "SIP_CONFIG_BODY": body},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert becomes_ready(sip_port), f"no answer to OPTIONS; exit code {process.poll()}"
    finally:
        process.kill()
        process.wait()


def becomes_ready(sip_port: int) -> bool:
    for _ in range(40):
        try:
            return options("127.0.0.1", sip_port) == 200
        except OSError:
            time.sleep(0.2)
    return False


# --- egress -------------------------------------------------------------------------------------

EGRESS = ROOT / "deploy" / "egress.yaml"
# the cost keys of egress 1.14, from its source: one it does not know it would pass over in silence
COSTS = {
    "max_cpu_utilization", "room_composite_cpu_cost", "audio_room_composite_cpu_cost",
    "web_cpu_cost", "audio_web_cpu_cost", "participant_cpu_cost", "track_composite_cpu_cost",
    "track_cpu_cost",
}  # fmt: skip


def egress_in_compose() -> dict:
    return yaml.safe_load(filled()["services"]["egress"]["environment"]["EGRESS_CONFIG_BODY"])


def test_egress_takes_a_call_for_what_it_costs():
    costs = egress_in_compose()["cpu_cost"]
    assert costs["audio_room_composite_cpu_cost"] == 0.2
    assert set(costs) <= COSTS


def test_egress_is_started_again_and_keeps_what_the_store_does_not_take():
    service = filled()["services"]["egress"]
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "30m"
    folder = egress_in_compose()["backup"]["prefix"]
    [volume] = service["volumes"]
    assert volume.endswith(f":{folder}")
    assert volume.partition(":")[0] in filled()["volumes"]


def test_egress_and_the_product_have_the_same_store():
    store, ours = egress_in_compose()["storage"]["s3"], filled()["services"]["web"]["environment"]
    assert {
        "S3_ENDPOINT": store["endpoint"], "S3_BUCKET": store["bucket"],
        "S3_REGION": store["region"], "S3_ACCESS_KEY": store["access_key"],
        "S3_SECRET_KEY": store["secret"],
    }.items() <= ours.items()  # fmt: skip


def test_both_texts_of_egress_say_the_same():
    alone, inside = yaml.safe_load(EGRESS.read_text()), egress_in_compose()
    assert alone["cpu_cost"] == inside["cpu_cost"]

    def keys(tree: object) -> object:
        return {k: keys(v) for k, v in tree.items()} if isinstance(tree, dict) else ""

    assert keys(alone) == keys(inside)


def test_what_egress_has_more_is_known_to_all_of_django():
    assert "EGRESS_FEATURES" in filled()["services"]["web"]["environment"]
