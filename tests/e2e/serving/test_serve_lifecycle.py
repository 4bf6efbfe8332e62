"""Starting, refusing, overload, clients that leave, and stopping: always the real process."""

import asyncio
import json
import shutil
from pathlib import Path

import aiohttp
import pytest

from finetune_api.failures import ExitCode
from finetune_trainer.artifact import read_manifest, write_manifest
from tests.e2e.serving.server_process import Server, running_server

ENDLESS = {"prompt": "One", "max_tokens": 100_000, "temperature": 0, "stream": True}


def _copy(models: Path, name: str, to: Path) -> Path:
    shutil.copytree(models / name, to)
    return to


async def _ended(server: Server) -> list[int]:
    """Wait until the server has ended by itself; return every status that /healthz had before."""
    seen = []
    while server.process.poll() is None:
        seen.append((await server.health())[0])
        await asyncio.sleep(0.2)
    return seen


async def test_changed_weights_are_never_served(models: Path, tmp_path: Path):
    folder = _copy(models, "classifier", tmp_path / "model")
    digest = read_manifest(folder).digest
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with running_server(folder, digest, tmp_path / "log") as server:
        assert 200 not in await _ended(server)
        assert server.process.returncode == ExitCode.MISSING_INPUT
        assert str(folder / "model.safetensors") in server.log.read_text()
        assert "Traceback" not in server.log.read_text()


async def test_a_gpu_that_was_asked_for_and_is_not_there_ends_the_server(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    digest = read_manifest(models / "classifier").digest
    with running_server(models / "classifier", digest, tmp_path / "log", "--gpus", 1) as server:
        assert 200 not in await _ended(server)
        assert server.process.returncode == ExitCode.NO_ACCELERATOR
        assert "spec.serving.gpus asks for 1 nvidia.com/gpu" in server.log.read_text()
        assert "Traceback" not in server.log.read_text()


async def test_another_models_digest_is_refused(models: Path, tmp_path: Path):
    other = read_manifest(models / "chat").digest
    with running_server(models / "classifier", other, tmp_path / "log") as server:
        assert 200 not in await _ended(server)
        assert server.process.returncode == ExitCode.MISSING_INPUT
        assert f"expected {other}" in server.log.read_text()


async def test_a_folder_that_is_no_classifier_or_language_model_ends_the_server(models: Path, tmp_path: Path):
    folder = _copy(models, "classifier", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertForMaskedLM"]}))
    with running_server(folder, write_manifest(folder).digest, tmp_path / "log") as server:
        assert 200 not in await _ended(server)
        assert server.process.returncode == ExitCode.BAD_SPEC
        assert "'BertForMaskedLM'" in server.log.read_text()
        assert "Traceback" not in server.log.read_text()


async def _first_chunk(session: aiohttp.ClientSession, server: Server) -> aiohttp.ClientResponse:
    response = await session.post(f"{server.url}/v1/completions", json=ENDLESS)
    assert response.status == 200
    await response.content.readline()
    return response


async def test_overload_disconnects_and_stopping(models: Path, tmp_path: Path):
    """One server with room for two requests and one waiting, from start to end."""
    digest = read_manifest(models / "endless").digest
    limits = ("--threads", 2, "--queue", 1, "--max-body-bytes", 2000, "--grace-seconds", 6)
    with running_server(models / "endless", digest, tmp_path / "log", *limits, name="endless") as server:
        await _says_why_it_is_not_ready(server)
        await server.wait_ready()
        await _refuses_what_is_too_large(server)
        await _has_no_chat_template(server)
        await _full_queue_answers_429_and_clients_that_leave_free_it(server)
        await _finishes_what_can_be_finished_and_ends(server)


async def _says_why_it_is_not_ready(server: Server) -> None:
    while (health := await server.health())[0] == 0:
        await asyncio.sleep(0.02)
    assert health[0] == 503
    assert health[1]["reason"].startswith(("starting", "checking the files", "loading the model"))
    status, body = await server.post("/v1/completions", {"prompt": "One"})
    assert (status, body["error"]["code"]) == (503, "not_ready")


async def _refuses_what_is_too_large(server: Server) -> None:
    status, body = await server.post("/v1/completions", {"prompt": "x" * 3000})
    assert status == 413
    assert "2000 bytes" in body["error"]["message"]
    async with aiohttp.ClientSession() as session, session.post(f"{server.url}/v1/completions", data="{") as answer:
        assert answer.status == 400
        assert "not JSON" in (await answer.json())["error"]["message"]


async def _has_no_chat_template(server: Server) -> None:
    status, body = await server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "One"}]})
    assert status == 400
    assert "no chat template" in body["error"]["message"]


async def _full_queue_answers_429_and_clients_that_leave_free_it(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(_first_chunk(session, server), _first_chunk(session, server))
        waiting = asyncio.create_task(session.post(f"{server.url}/v1/completions", json=ENDLESS))
        while await server.metric("finetune_server_requests_in_flight") < 4:  # the three, and this one itself
            await asyncio.sleep(0.02)
        assert await server.metric("finetune_server_requests_queued") == 1
        async with session.post(f"{server.url}/v1/completions", json={"prompt": "One"}) as refused:
            assert refused.status == 429
            assert int(refused.headers["Retry-After"]) > 0
            assert (await refused.json())["error"]["type"] == "rate_limit_error"
        waiting.cancel()
    async with asyncio.timeout(10):
        status, _ = await server.post("/v1/completions", {"prompt": "One", "max_tokens": 2})
    assert status == 200
    assert await server.metric("finetune_server_requests_queued") == 0
    async with asyncio.timeout(10):  # that a client has left is noticed for each on its own
        while await server.metric("finetune_server_requests_cancelled_total") < 3:
            await asyncio.sleep(0.02)
    assert await server.metric("finetune_server_generated_tokens_total") < ENDLESS["max_tokens"]


async def _finishes_what_can_be_finished_and_ends(server: Server) -> None:
    """The endless request is cut off after the grace time; the other one is answered whole."""
    body = {"prompt": "One", "max_tokens": 30, "temperature": 0}
    async with aiohttp.ClientSession() as session:
        await _first_chunk(session, server)
        last = asyncio.create_task(server.post("/v1/completions", body))
        while await server.metric("finetune_server_requests_in_flight") < 3:
            await asyncio.sleep(0.01)
        code = await asyncio.to_thread(server.stop)
    status, answer = await last
    assert (status, answer["usage"]["completion_tokens"]) == (200, 30)
    assert code == 0
    assert (await server.health())[0] == 0


async def test_a_server_that_still_loads_stops_at_once(models: Path, tmp_path: Path):
    digest = read_manifest(models / "classifier").digest
    with running_server(models / "classifier", digest, tmp_path / "log") as server:
        while (await server.health())[0] == 0:
            await asyncio.sleep(0.02)
        assert await asyncio.to_thread(server.stop) == 0
