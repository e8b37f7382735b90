"""python-socketio as it comes, with its own Redis manager, to compare with. Uvicorn is set as ours is.

python stock.py PORT JWKS_FILE REDIS_URL
"""

import json
import sys
from pathlib import Path
from typing import Any

import jwt
import socketio
import uvicorn
from socketio.exceptions import ConnectionRefusedError as Refused


def main(port: str, jwks_file: str, redis_url: str) -> None:
    """Check the token, join the rooms that the handshake names; the manager does the rest."""
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.loads(Path(jwks_file).read_bytes())).keys}
    sio: Any = socketio.AsyncServer(async_mode="asgi", client_manager=socketio.AsyncRedisManager(redis_url))

    async def connect(sid: str, _environ: Any, auth: dict[str, Any]) -> None:
        token = auth["token"]
        try:
            key = keys[jwt.get_unverified_header(token)["kid"]]
            jwt.decode(token, key, algorithms=["EdDSA"], issuer="chatcluster", audience="chatcluster")
        except (jwt.InvalidTokenError, KeyError) as error:
            raise Refused("unauthorized") from error
        for room in auth["rooms"]:
            await sio.enter_room(sid, room)

    sio.on("connect", connect)
    uvicorn.run(
        socketio.ASGIApp(sio),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=4096,
        access_log=False,
        log_level="error",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
