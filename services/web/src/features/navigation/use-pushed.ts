"use client";

import { useEffect } from "react";
import { navigate } from "./navigation";

/** Goes where a notification that was clicked leads; the service worker says where. */
export function usePushed(): void {
  useEffect(() => {
    const worker = navigator.serviceWorker;
    // Absent where the page is not secure.
    if (!worker) return;
    const onMessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== "object" || data === null || !("address" in data)) return;
      if (typeof data.address === "string" && /^\/(?![/\\])/.test(data.address)) navigate(data.address);
    };
    worker.addEventListener("message", onMessage);
    return () => worker.removeEventListener("message", onMessage);
  }, []);
}
