/** Files on their way to the server, by place: resumable (tus), three at a time, with progress. */

import type { Upload as TusUpload } from "tus-js-client";
import { createStore } from "zustand/vanilla";
import { type Api, ok, type TokenSource } from "@/api/client";
import { Problem } from "@/api/problem";
import { uuid } from "./ids";
import { conversationOf, placeKey } from "./places";
import type { Place, Upload } from "./types";

const AT_A_TIME = 3;
/** Below what edges and proxies let pass in one request, in bytes. */
const CHUNK = 8 * 1024 * 1024;
const RETRIES_MS = [500, 1_000, 2_000, 5_000, 10_000];
/** An upload of many files does not draw the screen more often than this. */
const PROGRESS_MS = 100;

type Tus = Pick<typeof import("tus-js-client"), "Upload">;

export interface UploadActions {
  add(files: Iterable<File>): void;
  remove(id: string): void;
  retry(id: string): void;
  clear(): void;
}

export class Uploads {
  readonly store = createStore<ReadonlyMap<string, readonly Upload[]>>(() => new Map());
  readonly #load: () => Promise<Tus>;
  readonly #tokens: TokenSource;
  readonly #api: Api;
  readonly #endpoint: string;
  readonly #running = new Map<string, TusUpload>();
  readonly #giveUp = new Map<string, () => void>();
  #active = 0;

  /** `load` gives the library, which is fetched when it is needed. */
  constructor(tokens: TokenSource, api: Api, origin = "", load: () => Promise<Tus> = () => import("tus-js-client")) {
    this.#load = load;
    this.#tokens = tokens;
    this.#api = api;
    this.#endpoint = `${origin}/api/v1/files/uploads`;
  }

  actionsOf(place: Place): UploadActions {
    const key = placeKey(place);
    return {
      add: (files) => {
        const added = Array.from(files, newUpload);
        this.#set(key, [...this.#items(key), ...added]);
        this.#next();
      },
      remove: (id) => {
        this.#abort(id);
        this.#set(
          key,
          this.#items(key).filter((upload) => upload.id !== id),
        );
        this.#next();
      },
      retry: (id) => {
        this.#change(id, { state: "waiting", problem: null });
        this.#next();
      },
      clear: () => {
        for (const { id } of this.#items(key)) this.#abort(id);
        this.#set(key, []);
        this.#next();
      },
    };
  }

  stop(): void {
    for (const id of this.#running.keys()) this.#abort(id);
    this.store.setState(new Map(), true);
  }

  #next(): void {
    for (const [key, uploads] of this.store.getState()) {
      for (const upload of uploads) {
        if (this.#active >= AT_A_TIME) return;
        if (upload.state === "waiting") void this.#send(key, upload);
      }
    }
  }

  async #send(key: string, upload: Upload): Promise<void> {
    this.#active += 1;
    this.#change(upload.id, { state: "uploading" });
    try {
      const fileId = await this.#transfer(upload, key);
      const file = await ok(this.#api.GET("/api/v1/files/{file_id}", { params: { path: { file_id: fileId } } }));
      this.#running.delete(upload.id);
      this.#change(upload.id, { state: "done", sent: upload.size, file });
    } catch (error) {
      this.#change(upload.id, { state: "failed", problem: Problem.from(error) });
    } finally {
      this.#giveUp.delete(upload.id);
      this.#active -= 1;
      this.#next();
    }
  }

  /** The file's id, once all of it has arrived. */
  async #transfer(upload: Upload, key: string): Promise<string> {
    const tus = await this.#load();
    const wanted = this.#items(key).some(({ id }) => id === upload.id);
    if (!wanted) throw Problem.unanswered("network");
    return new Promise((resolve, reject) => {
      let drawn = 0;
      // One that failed goes on where it stood.
      const sending =
        this.#running.get(upload.id) ??
        new tus.Upload(upload.source, {
          endpoint: this.#endpoint,
          metadata: { filename: upload.name, conversation_id: conversationOf(key) },
          chunkSize: CHUNK,
          retryDelays: RETRIES_MS,
          storeFingerprintForResuming: false,
        });
      sending.options.onBeforeRequest = async (request) => {
        const token = await this.#tokens.token();
        if (token) request.setHeader("Authorization", `Bearer ${token}`);
      };
      sending.options.onProgress = (sent) => {
        const now = Date.now();
        if (now - drawn < PROGRESS_MS) return;
        drawn = now;
        this.#change(upload.id, { sent });
      };
      sending.options.onSuccess = () => resolve(sending.url?.split("/").at(-1) ?? "");
      sending.options.onError = (error) => reject(problemOf(error));
      this.#running.set(upload.id, sending);
      this.#giveUp.set(upload.id, () => reject(Problem.unanswered("network")));
      sending.start();
    });
  }

  #abort(id: string): void {
    const sending = this.#running.get(id);
    this.#running.delete(id);
    this.#giveUp.get(id)?.();
    // What has arrived of it is removed; the server does so by itself after a day.
    sending?.abort(true).catch(() => undefined);
  }

  #items(key: string): readonly Upload[] {
    return this.store.getState().get(key) ?? [];
  }

  #set(key: string, uploads: readonly Upload[]): void {
    const all = new Map(this.store.getState());
    if (uploads.length) all.set(key, uploads);
    else all.delete(key);
    this.store.setState(all, true);
  }

  #change(id: string, change: Partial<Upload>): void {
    for (const [key, uploads] of this.store.getState()) {
      if (!uploads.some((upload) => upload.id === id)) continue;
      this.#set(
        key,
        uploads.map((upload) => (upload.id === id ? { ...upload, ...change } : upload)),
      );
    }
  }
}

function newUpload(source: File): Upload {
  return {
    id: uuid(),
    name: source.name,
    size: source.size,
    contentType: source.type,
    sent: 0,
    state: "waiting",
    file: null,
    problem: null,
    source,
  };
}

/** tus tells of a response by its text. */
function problemOf(error: Error): Problem {
  const response = (error as { originalResponse?: { getStatus(): number; getBody(): string } | null }).originalResponse;
  if (!response) return Problem.unanswered("network", error);
  try {
    return new Problem(JSON.parse(response.getBody()));
  } catch {
    const detail = "The file was not taken.";
    const status = response.getStatus();
    return new Problem({ code: `http_${status}`, status, title: detail, detail, request_id: "" });
  }
}
