// A minimal Socket.IO server for Node, to compare with: it checks the token, joins the rooms that the handshake names,
// and emits to a room what is published on the Redis channel of that name.
//
// node server.mjs PORT JWKS_FILE REDIS_URL

import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, jwksFile, redisUrl] = process.argv.slice(2);
const keys = new Map(
  JSON.parse(readFileSync(jwksFile)).keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: "jwk" })]),
);
const decoded = (part) => JSON.parse(Buffer.from(part, "base64url"));

function claimsOf(token) {
  const [header, payload, signature] = token.split(".");
  const key = keys.get(decoded(header).kid);
  if (!key || !verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url"))) {
    throw new Error("unauthorized");
  }
  const claims = decoded(payload);
  if (claims.iss !== "chatcluster" || claims.aud !== "chatcluster" || claims.exp < Date.now() / 1000) {
    throw new Error("unauthorized");
  }
  return claims;
}

const http = createServer((_request, response) => response.end("ok"));
const io = new Server(http, { serveClient: false });

io.use((socket, next) => {
  try {
    socket.data.user = claimsOf(socket.handshake.auth.token).sub;
    next();
  } catch {
    next(new Error("unauthorized"));
  }
});
io.on("connection", (socket) => socket.join(socket.handshake.auth.rooms));

const redis = await createClient({ url: redisUrl }).connect();
await redis.pSubscribe("message:conversation:*", (frame, room) => {
  const end = frame.indexOf("\n");
  const [event] = JSON.parse(frame.slice(0, end));
  io.to(room).emit(event, JSON.parse(frame.slice(end + 1)));
});
http.listen(Number(port), "127.0.0.1", 4096);
