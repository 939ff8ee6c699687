"""
Pipecat: its serializer for Vonage on its FastAPI transport, and a pipeline that gives back what it hears.

``/default/socket`` takes the transport's own measure of a message, ``/frames/socket`` asks it for messages of one frame.
"""

import uvicorn
from fastapi import FastAPI, Request, WebSocket
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.vonage import VonageFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE = 16000
FRAME_BYTES = 640

app = FastAPI()


class Echo(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        await self.push_frame(frame, direction)


@app.get("/{mode}/answer")
async def answer(mode: str, request: Request):
    uri = f"ws://{request.headers['host']}/{mode}/socket"
    endpoint = {"type": "websocket", "uri": uri, "content-type": f"audio/l16;rate={RATE}"}
    return [{"action": "connect", "endpoint": [endpoint]}]


@app.post("/{mode}/event", status_code=204)
async def event(mode: str, request: Request):
    await request.json()


@app.websocket("/{mode}/socket")
async def socket(websocket: WebSocket, mode: str):
    await websocket.accept()
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            serializer=VonageFrameSerializer(VonageFrameSerializer.InputParams(vonage_sample_rate=RATE)),
            fixed_audio_packet_size=FRAME_BYTES if mode == "frames" else None,
            audio_in_enabled=True,
            audio_out_enabled=True,
        ),
    )
    pipeline = Pipeline([transport.input(), Echo(), transport.output()])
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE))

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, websocket):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")).run()
