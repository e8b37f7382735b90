"use client";

import { useEffect, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import type { Message } from "@/core/types";
import { Button } from "@/ui/button";
import { TextEditor, type TextEditorHandle } from "../composer/text-editor";
import { useMessageCommands } from "./use-message-commands";

/** Changes a message in its place. The focus goes back to it after that. */
export function EditForm(props: { message: Message; rowKey: string; onDone: () => void }) {
  const t = useTranslations("composer");
  const common = useTranslations("common");
  const { message, onDone } = props;
  const { edit } = useMessageCommands();
  const [text, setText] = useState(message.body);
  const [busy, setBusy] = useState(false);
  const editor = useRef<TextEditorHandle>(null);
  useEffect(() => editor.current?.focusEnd(), []);

  const leave = () => {
    onDone();
    const row = document.querySelector<HTMLElement>(`[data-row="${CSS.escape(props.rowKey)}"]`);
    row?.focus({ preventScroll: true });
  };
  const save = async () => {
    const body = text.trim();
    if (body === message.body || (!body && message.attachments.length === 0)) return leave();
    setBusy(true);
    const done = await edit(message, body);
    setBusy(false);
    if (done) leave();
  };
  return (
    <div className="my-1 flex w-full flex-col gap-2">
      <div className="rounded-md border border-line-strong bg-canvas px-3 py-2 focus-within:border-focus">
        <TextEditor
          ref={editor}
          conversationId={message.conversation_id}
          label={t("edit")}
          text={text}
          onChange={setText}
          onSubmit={() => void save()}
          onEscape={leave}
        />
      </div>
      <div className="flex gap-2">
        <Button size="sm" variant="primary" busy={busy} onClick={() => void save()}>
          {t("saveEdit")}
        </Button>
        <Button size="sm" variant="quiet" onClick={leave}>
          {common("cancel")}
        </Button>
      </div>
    </div>
  );
}
