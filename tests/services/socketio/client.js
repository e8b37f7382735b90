// A run of the official client: it connects, sends messages one after the other without waiting, and says what it saw.
//
// node client.js '{"url", "token", "conversation", "transports", "count", "text"}'
import { io } from "socket.io-client";

const { url, token, conversation, transports, count, text } = JSON.parse(process.argv[2]);
const socket = io(url, { transports, auth: { token }, reconnection: false, forceNew: true });
const heard = [];

socket.on("connect_error", (error) => end({ refused: error.data ?? error.message }));
socket.on("message:new", (message) => heard.push(message.body));
socket.on("connect", async () => {
  if (socket.io.engine.transport.name !== transports.at(-1)) {
    await new Promise((upgraded) => socket.io.engine.once("upgrade", upgraded));
  }
  const sends = Array.from({ length: count }, (_, n) =>
    socket.emitWithAck("message:send", { conversation_id: conversation, client_id: `${socket.id}-${n}`, body: `${n} ${text}` }),
  );
  const answers = await Promise.all(sends);
  while (heard.length < count) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  end({ transport: socket.io.engine.transport.name, seqs: answers.map((answer) => answer.message.seq), heard });
});

function end(report) {
  console.log(JSON.stringify(report));
  socket.close();
}
