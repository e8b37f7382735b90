"use client";

import { Paperclip, SendHorizontal, SmilePlus } from "lucide-react";
import dynamic from "next/dynamic";
import { useEffect, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import { useComposer, useDraft, useTypingNotice } from "@/core/react";
import type { Place } from "@/core/types";
import { IconButton } from "@/ui/icon-button";
import { Popover } from "@/ui/popover";
import { FormatBar } from "./format-bar";
import { TextEditor, type TextEditorHandle } from "./text-editor";
import { UploadTray } from "./upload-tray";
import type { PlaceFiles } from "./use-place-files";

const EmojiPicker = dynamic(() => import("../emoji/emoji-picker"), { ssr: false });

/** The server's limit, in characters. */
export const MAX_LENGTH = 20_000;

/** Where a message is written, and sent from. What is begun is kept. */
export function Composer(props: {
  place: Place;
  label: string;
  placeholder: string;
  files: PlaceFiles;
  /** Before a message is shown: to where it will be seen. */
  onSend: () => void;
  /** Up in the empty field. */
  onEditLast: () => boolean;
  autoFocus?: boolean;
}) {
  const t = useTranslations("composer");
  const emoji = useTranslations("emoji");
  const { place, files } = props;
  const { send } = useComposer(place);
  const [text, setText] = useDraft(place);
  const notice = useTypingNotice(place.conversationId);
  const editor = useRef<TextEditorHandle>(null);
  const input = useRef<HTMLInputElement>(null);
  const [picking, setPicking] = useState(false);

  const over = text.length - MAX_LENGTH;
  const body = text.trim();
  const ready = (body !== "" || files.attachments.length > 0) && !files.busy && over <= 0;

  useEffect(() => {
    if (props.autoFocus) editor.current?.focusEnd();
  }, [props.autoFocus]);

  const change = (next: string) => {
    setText(next);
    if (next.trim()) notice.typed();
    else notice.stopped();
  };
  const submit = () => {
    if (!ready) return;
    props.onSend();
    send({ body, attachments: files.attachments });
    files.clear();
    notice.stopped();
  };

  return (
    <div data-region className="shrink-0 px-4 pb-3 sm:px-5">
      <div className="@container rounded-lg border border-line-strong bg-canvas focus-within:border-focus">
        <UploadTray files={files} />
        <div className="px-3.5 pt-2.5">
          <TextEditor
            ref={editor}
            conversationId={place.conversationId}
            label={props.label}
            placeholder={props.placeholder}
            text={text}
            onChange={change}
            onSubmit={submit}
            onUp={props.onEditLast}
            onFiles={files.add}
          />
        </div>
        <div className="flex items-center gap-0.5 px-1.5 py-1">
          <input
            ref={input}
            type="file"
            multiple
            hidden
            onChange={(event) => {
              files.add([...(event.target.files ?? [])]);
              event.target.value = "";
            }}
          />
          <IconButton
            icon={Paperclip}
            label={t("attach")}
            keys="Ctrl+U"
            onClick={() => input.current?.click()}
            data-attach
          />
          <Popover
            label={emoji("label")}
            side="top"
            open={picking}
            onOpenChange={setPicking}
            trigger={<IconButton icon={SmilePlus} label={t("emoji")} />}
          >
            <EmojiPicker
              onChoose={(chosen) => {
                setPicking(false);
                editor.current?.insert(chosen);
              }}
            />
          </Popover>
          <FormatBar editor={editor} />
          <div className="flex-1" />
          {over > 0 && (
            <span role="status" className="px-2 text-danger text-sm">
              {t("tooLong", { over })}
            </span>
          )}
          <IconButton
            icon={SendHorizontal}
            directional
            label={t("send")}
            keys="Enter"
            aria-disabled={!ready}
            onClick={submit}
            className="bg-accent-fill text-on-accent hover:bg-accent-fill-hover hover:text-on-accent aria-disabled:bg-transparent aria-disabled:text-text-3"
          />
        </div>
      </div>
    </div>
  );
}
