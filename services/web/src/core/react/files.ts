"use client";

import { useCallback, useEffect, useState } from "react";
import type { ThumbnailSize } from "../types";
import { Problem } from "../types";
import { useChat } from "./provider";

export interface FileUrl {
  /** A `blob:` address while it is loaded, else null. */
  readonly url: string | null;
  readonly problem: Problem | null;
}

const PENDING: FileUrl = { url: null, problem: null };

/**
 * The content of a file, or a thumbnail of it, as an address for `<img>`, `<video>` and links: the file service asks for
 * the access token, which addresses do not carry. Null loads nothing. Those in use are shared and then let go.
 */
export function useFileUrl(id: string | null, size: ThumbnailSize | "content"): FileUrl {
  const { files } = useChat();
  const [state, setState] = useState<FileUrl & { key: string }>({ ...PENDING, key: "" });
  const key = id ? `${id}/${size}` : "";
  useEffect(() => {
    if (!id) return;
    let gone = false;
    const held = files.hold(id, size);
    held.url.then(
      (url) => gone || setState({ url, problem: null, key }),
      (error: unknown) => gone || setState({ url: null, problem: Problem.from(error), key }),
    );
    return () => {
      gone = true;
      held.release();
    };
  }, [files, id, size, key]);
  return state.key === key ? state : PENDING;
}

/** Saves a file to the device under its name. Rejects with a Problem: `not_scanned`, `infected`, … */
export function useDownload(): (file: { readonly id: string; readonly name: string }) => Promise<void> {
  const { files } = useChat();
  return useCallback((file) => files.download(file), [files]);
}
