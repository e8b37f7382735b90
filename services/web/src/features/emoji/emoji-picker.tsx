"use client";

import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import { Input } from "@/ui/field";
import { Skeleton } from "@/ui/skeleton";
import type { Emoji } from "./catalogue";
import { findEmoji, loadEmoji, recentEmoji, rememberEmoji, USUAL } from "./emoji";

const COLUMNS = 8;

interface Shown {
  title: string;
  items: { emoji: string; name: string }[];
}

function byCategory(all: readonly Emoji[]): Shown[] {
  const groups = new Map<string, Shown>();
  for (const { emoji, names, category } of all) {
    const group = groups.get(category) ?? { title: category, items: [] };
    group.items.push({ emoji, name: names[0] ?? emoji });
    groups.set(category, group);
  }
  return [...groups.values()];
}

/** Chooses one emoji: search, then a grid that arrow keys go about in. */
export default function EmojiPicker({ onChoose }: { onChoose: (emoji: string) => void }) {
  const t = useTranslations("emoji");
  const [all, setAll] = useState<readonly Emoji[] | null>(null);
  const [query, setQuery] = useState("");
  const grid = useRef<HTMLDivElement>(null);

  useEffect(() => {
    let wanted = true;
    void loadEmoji().then((loaded) => wanted && setAll(loaded));
    return () => {
      wanted = false;
    };
  }, []);

  const groups = useMemo<Shown[]>(() => {
    if (!all) return [];
    const nameOf = (emoji: string) => ({ emoji, name: all.find((one) => one.emoji === emoji)?.names[0] ?? emoji });
    if (query) {
      const found = findEmoji(all, query, 64);
      return found.length ? [{ title: "", items: found.map(({ emoji }) => nameOf(emoji)) }] : [];
    }
    const recent = [...new Set([...recentEmoji(), ...USUAL])].slice(0, COLUMNS * 2);
    return [{ title: t("recent"), items: recent.map(nameOf) }, ...byCategory(all)];
  }, [all, query, t]);

  const choose = (emoji: string) => {
    rememberEmoji(emoji);
    onChoose(emoji);
  };

  const move = (event: KeyboardEvent) => {
    const cells = [...(grid.current?.querySelectorAll("button") ?? [])];
    const at = cells.indexOf(document.activeElement as HTMLButtonElement);
    const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const backward = document.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
    const step = { [forward]: 1, [backward]: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (step === undefined || (at < 0 && event.key !== "ArrowDown")) return;
    event.preventDefault();
    if (at >= 0 && at + step < 0) grid.current?.parentElement?.querySelector("input")?.focus();
    else cells[at < 0 ? 0 : Math.min(at + step, cells.length - 1)]?.focus();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: only moves the focus among what is in it.
    <div className="flex h-80 w-76 max-w-full flex-col gap-2 p-2" onKeyDown={move}>
      <Input
        type="search"
        autoFocus
        aria-label={t("search")}
        placeholder={t("search")}
        className="h-9"
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => {
          const first = groups[0]?.items[0];
          if (event.key === "Enter" && query && first) choose(first.emoji);
        }}
      />
      <div ref={grid} className="min-h-0 flex-1 overflow-y-auto">
        {!all && <Skeleton className="h-full w-full" />}
        {all && groups.length === 0 && <p className="p-4 text-center text-text-3">{t("none")}</p>}
        {groups.map((group) => (
          <section key={group.title} aria-label={group.title || t("label")} className="[content-visibility:auto]">
            {group.title && (
              <p aria-hidden className="px-1 pt-2 pb-1 text-text-3 text-xs">
                {group.title}
              </p>
            )}
            <div className="grid grid-cols-8">
              {group.items.map(({ emoji, name }) => (
                <button
                  key={emoji}
                  type="button"
                  aria-label={name.replaceAll("_", " ")}
                  title={`:${name}:`}
                  onClick={() => choose(emoji)}
                  className="inline-flex size-9 items-center justify-center rounded-md text-xl -outline-offset-2 hover:bg-hover"
                >
                  {emoji}
                </button>
              ))}
            </div>
          </section>
        ))}
      </div>
    </div>
  );
}
