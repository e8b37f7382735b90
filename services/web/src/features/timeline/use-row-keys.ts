"use client";

import { type KeyboardEvent, type RefObject, useCallback, useEffect, useRef, useState } from "react";
import type { VirtualizerHandle } from "virtua";
import { useMe } from "@/core/react";
import type { Message } from "@/core/types";
import { openOverlay } from "../common/overlay";
import type { Row } from "./rows";
import { useMessageCommands } from "./use-message-commands";

/** One message at a time can be tabbed to; arrow keys move on, letters act on it. */
export function useRowKeys(
  rows: readonly Row[],
  virtualizer: RefObject<VirtualizerHandle | null>,
  scroller: RefObject<HTMLElement | null>,
  onEdit: (key: string | null) => void,
) {
  const me = useMe().id;
  const commands = useMessageCommands();
  const [chosen, setChosen] = useState<string | null>(null);
  const wanted = useRef<string | null>(null);
  const last = rows.findLast((row) => row.kind === "item")?.key ?? null;
  const active = rows.some((row) => row.key === chosen) ? chosen : last;

  useEffect(() => {
    if (!wanted.current || wanted.current !== active) return;
    wanted.current = null;
    scroller.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(active)}"]`)?.focus({ preventScroll: true });
  });

  const go = (index: number, step: 1 | -1) => {
    for (let at = index; at >= 0 && at < rows.length; at += step) {
      const row = rows[at];
      if (row?.kind !== "item") continue;
      wanted.current = row.key;
      setChosen(row.key);
      virtualizer.current?.scrollToIndex(at, { align: "nearest" });
      return;
    }
  };

  const act = (key: string, row: Row, message: Message): boolean => {
    const own = message.sender_id === me;
    if (message.deleted_at) return false;
    if (key === "r" && !message.thread_root) commands.openThread(message);
    else if (key === "e" && own) onEdit(row.key);
    else if (key === "p") commands.togglePin(message);
    else if (key === "Delete" && (own || commands.mayDelete(message))) openOverlay({ kind: "delete", message });
    else if (key === "+") scroller.current?.querySelector<HTMLElement>(`[data-react="${message.id}"]`)?.click();
    else return false;
    return true;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || !target.hasAttribute("data-row")) return;
    const index = rows.findIndex((row) => row.key === target.getAttribute("data-row"));
    const row = rows[index];
    if (row?.kind !== "item") return;
    const before = event.defaultPrevented;
    if (event.key === "ArrowUp") go(index - 1, -1);
    else if (event.key === "ArrowDown") go(index + 1, 1);
    else if (event.key === "Home") go(0, 1);
    else if (event.key === "End") go(rows.length - 1, -1);
    else if (row.item.kind !== "message" || !act(event.key, row, row.item.message)) return;
    if (!before) event.preventDefault();
  };

  const onFocus = useCallback((key: string) => setChosen(key), []);
  return { active, onKeyDown, onFocus };
}
