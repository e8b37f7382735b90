/** The content of files as addresses that elements can show, shared by those who show one and let go after them. */

import { call, type TokenSource } from "@/api/client";
import type { ThumbnailSize } from "./types";

/** Addresses are kept for a while after their last use: lists scroll back. */
const KEPT = 100;

interface Held {
  readonly url: Promise<string>;
  users: number;
}

export class Files {
  readonly #tokens: TokenSource;
  readonly #origin: string;
  readonly #held = new Map<string, Held>();

  constructor(tokens: TokenSource, origin = "") {
    this.#tokens = tokens;
    this.#origin = origin;
  }

  /** A `blob:` address, good until `release` is called. Its promise rejects with a Problem. */
  hold(id: string, size: ThumbnailSize | "content"): { readonly url: Promise<string>; release(): void } {
    const key = `${id}/${size}`;
    const held = this.#held.get(key) ?? { url: this.#load(id, size), users: 0 };
    held.users += 1;
    // Set anew, so that it is the last to be let go.
    this.#held.delete(key);
    this.#held.set(key, held);
    held.url.catch(() => this.#held.delete(key));
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      held.users -= 1;
      this.#letGo();
    };
    return { url: held.url, release };
  }

  readonly download = async ({ id, name }: { readonly id: string; readonly name: string }): Promise<void> => {
    const { url, release } = this.hold(id, "content");
    try {
      const link = document.createElement("a");
      link.href = await url;
      link.download = name;
      link.click();
    } finally {
      release();
    }
  };

  stop(): void {
    for (const [key, held] of this.#held) this.#revoke(key, held);
  }

  async #load(id: string, size: ThumbnailSize | "content"): Promise<string> {
    const path = size === "content" ? "content" : `thumbnails/${size}`;
    const base = this.#origin || location.origin;
    const response = await call(this.#tokens, new Request(`${base}/api/v1/files/${id}/${path}`));
    return URL.createObjectURL(await response.blob());
  }

  #letGo(): void {
    const unused = [...this.#held].filter(([, held]) => held.users === 0);
    for (const [key, held] of unused.slice(0, Math.max(0, unused.length - KEPT))) this.#revoke(key, held);
  }

  #revoke(key: string, held: Held): void {
    this.#held.delete(key);
    held.url.then(URL.revokeObjectURL, () => undefined);
  }
}
