"""The worker's main process: registers with LiveKit, keeps plans, carries journals, stops well."""

import asyncio
import contextlib
import importlib
import logging
import math
import os
import signal
from collections.abc import Sequence

from livekit.agents import AgentServer

from agents.worker import echo, session, warm
from agents.worker.admission import Admission
from agents.worker.analyst import Analyst
from agents.worker.company import Company
from agents.worker.config import Config
from agents.worker.courier import Courier
from agents.worker.desk import Desk
from agents.worker.examiner import Examiner
from agents.worker.keeper import Keeper
from agents.worker.pool import Pool
from agents.worker.prober import Prober
from agents.worker.providers.modules import modules_of
from agents.worker.providers.turn import register_models
from agents.worker.shared_eot import Bench

log = logging.getLogger(__name__)

FIRST_PLANS_S = 30.0  # preparing before the first process is made saves the first call time
FLUSH_S = 3.0
# imported once and shared by all job processes
PRELOAD = [
    "agents.worker.session",
    "agents.worker.warm",
    "agents.worker.embedded.sphinx",
    "agents.worker.preload",
]


async def serve(config: Config) -> int:
    """Until SIGTERM or SIGINT. Returns the exit code."""
    stopping = _stop_signals()
    _stay_at_home()
    _one_core_each()
    register_models()
    bench = Bench()
    (config.data_dir / "ready.json").unlink(missing_ok=True)
    async with Desk(config.control_url, config.worker_token) as desk:
        keeper = Keeper(config, desk)
        await keeper.make_apology()
        await echo.make_announcement(config)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(keeper.look(), FIRST_PLANS_S)
        code = await _serve(config, desk, keeper, bench, stopping)
    (config.data_dir / "ready.json").unlink(missing_ok=True)
    return code


async def _serve(
    config: Config, desk: Desk, keeper: Keeper, bench: Bench, stopping: asyncio.Event
) -> int:
    admission = Admission(config)
    plugins = modules_of(keeper.plans())
    for plugin in plugins:  # here too, for probes: a ringing call must not wait for an import
        importlib.import_module(plugin)
    server = admission.jobs = build(config, admission, plugins)
    waiting = Pool(server, config.idle_processes)
    admission.on_load, admission.on_taken = waiting.load, waiting.taken
    admission.ready = waiting.idle
    keeper.idle, keeper.on_new_providers = waiting.idle, waiting.renew
    server.on("worker_registered", lambda *_: setattr(keeper, "registered", True))
    courier = Courier(config, desk, on_orphan=admission.hang_up)
    company = Company(config.redis_url)
    admission.is_alone = lambda: company.is_alone
    prober, examiner = Prober(config, keeper.plans), Examiner(config, desk)
    working = (keeper, courier, prober, examiner, Analyst(config, desk), company)
    helpers = [asyncio.create_task(helper.run()) for helper in working]
    server.on("worker_started", lambda: helpers.append(asyncio.create_task(bench.run())))
    code = await _run(server, stopping, config)
    for helper in helpers:
        helper.cancel()
    await admission.aclose()
    await courier.flush(timeout_s=FLUSH_S)
    return code


def build(config: Config, admission: Admission, plugins: Sequence[str] = ()) -> AgentServer:
    """`plugins`: modules which job processes get from the fork server."""
    server = AgentServer(
        ws_url=config.livekit_url, api_key=config.livekit_api_key,
        api_secret=config.livekit_api_secret, host=config.host, port=config.port,
        num_idle_processes=config.idle_processes, setup_fnc=warm.set_up,
        load_fnc=admission.load, load_threshold=math.inf, preload_modules=[*PRELOAD, *plugins],
        # a worker without LiveKit waits for it; the supervisor has nothing better to do either
        max_retry=1_000_000_000, drain_timeout=config.drain_seconds, session_end_timeout=20.0,
        initialize_process_timeout=30.0,
    )  # fmt: skip
    server.rtc_session(
        session.take_call, agent_name=config.agent_name, on_request=admission.on_request,
        on_session_end=session.after_call,
    )  # fmt: skip
    return server


async def _run(server: AgentServer, stopping: asyncio.Event, config: Config) -> int:
    running = asyncio.create_task(server.run())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        log.error("The worker stopped by itself", exc_info=running.exception())
        return 1
    log.info(
        "The worker stops; running calls have a moment", extra={"seconds": config.drain_seconds}
    )
    if config.drain_seconds:
        with contextlib.suppress(TimeoutError):
            await server.drain()
    await server.aclose()
    await running
    return 0


def _stop_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(1)  # asked twice: at once
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _stay_at_home() -> None:
    """What the framework would send to LiveKit's cloud or load from the Internet stays off."""
    for name in ("LIVEKIT_DEV_MODE", "LIVEKIT_REMOTE_EOT_URL", "LIVEKIT_OBSERVABILITY_URL"):
        os.environ.pop(name, None)
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "1")
    os.environ.setdefault("OTEL_SDK_DISABLED", "true")


def _one_core_each() -> None:
    """A call's own arithmetic is small. Threads for it start anew in each process (0.2 s of two
    cores for the first sentence) and spin where the next call should speak."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
