"use client";

import dynamic from "next/dynamic";
import { type FormEvent, useState } from "react";
import { useTranslations } from "use-intl";
import { useMyPresence } from "@/core/react";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Select } from "@/ui/field";
import { Popover } from "@/ui/popover";
import { useAttempt } from "../common/use-attempt";

const EmojiPicker = dynamic(() => import("../emoji/emoji-picker"), { ssr: false });

const MAX_TEXT = 140;
const ENDS = ["never", "halfHour", "hour", "today"] as const;
type End = (typeof ENDS)[number];

/** When a status ends that is set now, as RFC 3339. */
function endOf(end: End, now: Date): string | null {
  if (end === "never") return null;
  const at = new Date(now);
  if (end === "today") at.setHours(23, 59, 59, 0);
  else at.setMinutes(at.getMinutes() + (end === "hour" ? 60 : 30));
  return at.toISOString();
}

/** What one is doing, in an emoji and a few words, for a time. */
export default function StatusDialog({ onClose }: { onClose: () => void }) {
  const t = useTranslations("status");
  const common = useTranslations("common");
  const attempt = useAttempt();
  const { presence, set } = useMyPresence();
  const [emoji, setEmoji] = useState(presence?.emoji ?? "💬");
  const [text, setText] = useState(presence?.text ?? "");
  const [end, setEnd] = useState<End>("never");
  const [picking, setPicking] = useState(false);
  const status = presence?.status ?? "online";

  const save = async (event: FormEvent) => {
    event.preventDefault();
    const words = text.trim();
    const setting = words
      ? { status, text: words, emoji, expires_at: endOf(end, new Date()) }
      : { status, text: null, emoji: null, expires_at: null };
    if (await attempt(() => set(setting))) onClose();
  };
  return (
    <Dialog open onOpenChange={onClose} title={t("set")}>
      <form onSubmit={(event) => void save(event)} className="flex flex-col gap-4">
        <div className="flex items-end gap-2">
          <Popover
            label={t("emoji")}
            open={picking}
            onOpenChange={setPicking}
            trigger={
              <button
                type="button"
                aria-label={`${t("emoji")}: ${emoji}`}
                className="inline-flex size-10 shrink-0 items-center justify-center rounded-md border border-line-strong text-xl hover:bg-hover"
              >
                {emoji}
              </button>
            }
          >
            <EmojiPicker
              onChoose={(chosen) => {
                setPicking(false);
                setEmoji(chosen);
              }}
            />
          </Popover>
          <div className="flex-1">
            <Field label={t("text")}>
              <Input dir="auto" maxLength={MAX_TEXT} value={text} onChange={(event) => setText(event.target.value)} />
            </Field>
          </div>
        </div>
        <Field label={t("clearAfter")}>
          <Select value={end} onChange={(event) => setEnd(event.target.value as End)}>
            {ENDS.map((value) => (
              <option key={value} value={value}>
                {t(value)}
              </option>
            ))}
          </Select>
        </Field>
        <Button type="submit" variant="primary" className="self-end">
          {common("save")}
        </Button>
      </form>
    </Dialog>
  );
}
