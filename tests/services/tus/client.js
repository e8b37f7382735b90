// The official tus client, driven by a test. Argument: JSON with `endpoint` or `uploadUrl`, `headers`, `file`,
// `chunkSize`, `metadata`, `pauseAt` (the PATCH, counted from 1, before which to wait for a line of input), `terminate`.
// Prints a line of JSON for each thing that happens; the last one is `{"done": url}` or `{"error": text, "status": n}`.
import fs from "node:fs";
import readline from "node:readline";
import * as tus from "tus-js-client";

const options = JSON.parse(process.argv[2]);
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

if (options.terminate) {
  await tus.Upload.terminate(options.uploadUrl, { headers: options.headers, retryDelays: [] });
  say({ done: options.uploadUrl });
  process.exit(0);
}

let patches = 0;
const upload = new tus.Upload(fs.createReadStream(options.file), {
  endpoint: options.endpoint,
  uploadUrl: options.uploadUrl,
  uploadSize: fs.statSync(options.file).size,
  chunkSize: options.chunkSize,
  headers: options.headers,
  metadata: options.metadata ?? {},
  retryDelays: Array(300).fill(200), // a minute: a service that was killed may take that long to be back
  async onBeforeRequest(request) {
    if (request.getMethod() === "PATCH" && ++patches === options.pauseAt) {
      say({ paused: upload.url });
      await input.next();
    }
  },
  onChunkComplete: (size, accepted) => say({ accepted }),
  onSuccess() {
    say({ done: upload.url });
    process.exit(0);
  },
  onError(error) {
    say({ error: String(error), status: error.originalResponse?.getStatus() ?? null });
    process.exit(1);
  },
});
upload.start();
