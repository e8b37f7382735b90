import { beforeEach, describe, expect, test, vi } from "vitest";
import { createApi } from "@/api/client";
import type { Upload } from "@/core/types";
import { type UploadActions, Uploads } from "@/core/uploads";

/** An upload as the tus library runs it: it does what the test says. */
class FakeUpload {
  url: string | null = null;
  starts = 0;
  aborted = false;

  constructor(
    readonly source: File,
    readonly options: {
      metadata: Record<string, string>;
      onProgress(sent: number): void;
      onSuccess(): void;
      onError(error: Error): void;
    },
  ) {}

  start(): void {
    this.starts += 1;
    if (this.starts === 1) tus.started.push(this);
  }

  async abort(): Promise<void> {
    this.aborted = true;
  }
}

const tus = { started: [] as FakeUpload[] };

const PLACE = { conversationId: "here" };

let uploads: Uploads;
let actions: UploadActions;

beforeEach(() => {
  tus.started.length = 0;
  vi.stubGlobal("fetch", async (request: Request) =>
    Response.json({ id: request.url.split("/").at(-1), state: "clean" }),
  );
  const tokens = { token: async () => "token", refused: () => undefined };
  const load = async () => ({ Upload: FakeUpload }) as never;
  uploads = new Uploads(tokens, createApi(tokens, "http://chat.test"), "http://chat.test", load);
  actions = uploads.actionsOf(PLACE);
});

function files(count: number): File[] {
  return Array.from({ length: count }, (_, at) => new File(["content"], `file-${at}.txt`, { type: "text/plain" }));
}

function items(): readonly Upload[] {
  return uploads.store.getState().get("here") ?? [];
}

function states(): string[] {
  return items().map(({ state }) => state);
}

async function started(count: number): Promise<FakeUpload[]> {
  await vi.waitFor(() => expect(tus.started).toHaveLength(count), 4_000);
  return tus.started;
}

function succeed(upload: FakeUpload, id: string): void {
  upload.url = `http://chat.test/api/v1/files/uploads/${id}`;
  upload.options.onSuccess();
}

describe("uploads", () => {
  test("are sent three at a time, for the conversation, and end as files", async () => {
    actions.add(files(4));
    const [first] = await started(3);
    expect(states()).toEqual(["uploading", "uploading", "uploading", "waiting"]);
    expect(first?.options.metadata).toEqual({ filename: "file-0.txt", conversation_id: "here" });
    first?.options.onProgress(3);
    expect(items()[0]?.sent).toBe(3);
    if (first) succeed(first, "id-0");
    await started(4);
    expect(items()[0]).toMatchObject({ state: "done", sent: 7, file: { id: "id-0" } });
  });

  test("that are taken away stop, are gone, and make room for others", async () => {
    actions.add(files(4));
    const [first] = await started(3);
    actions.remove(items()[0]?.id ?? "");
    await started(4);
    expect(first?.aborted).toBe(true);
    expect(items().map(({ name }) => name)).toEqual(["file-1.txt", "file-2.txt", "file-3.txt"]);
  });

  test("that are taken away before they have begun never begin", async () => {
    actions.add(files(1));
    actions.remove(items()[0]?.id ?? "");
    actions.add(files(1));
    await started(1);
    expect(states()).toEqual(["uploading"]);
  });

  test("that fail say why, and go on where they stood when they are tried again", async () => {
    actions.add(files(1));
    const [upload] = await started(1);
    const document = { code: "quota_exceeded", status: 413, title: "", detail: "No room.", request_id: "" };
    const originalResponse = { getStatus: () => 413, getBody: () => JSON.stringify(document) };
    upload?.options.onError(Object.assign(new Error("tus"), { originalResponse }));
    await vi.waitFor(() => expect(states()).toEqual(["failed"]));
    expect(items()[0]?.problem).toMatchObject({ code: "quota_exceeded", detail: "No room." });
    actions.retry(items()[0]?.id ?? "");
    await vi.waitFor(() => expect(upload?.starts).toBe(2));
    if (upload) succeed(upload, "id-0");
    await vi.waitFor(() => expect(states()).toEqual(["done"]));
  });

  test("are forgotten once they were sent, and the files stay", async () => {
    actions.add(files(1));
    const [upload] = await started(1);
    if (upload) succeed(upload, "id-0");
    await vi.waitFor(() => expect(states()).toEqual(["done"]));
    actions.clear();
    expect(items()).toEqual([]);
    expect(upload?.aborted).toBe(false);
  });
});
