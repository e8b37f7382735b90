"use client";

import {
  type ClipboardEvent,
  type KeyboardEvent,
  type Ref,
  useId,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useTranslations } from "use-intl";
import { complete, triggerAt } from "./completion";
import { Suggestions } from "./suggestions";
import { type Suggestion, useSuggestions } from "./use-suggestions";

export interface TextEditorHandle {
  focusEnd: () => void;
  /** Puts text in place of what is selected. */
  insert: (text: string) => void;
  /** Puts signs around what is selected. */
  wrap: (before: string, after: string) => void;
  /** Puts a sign before each line that is selected. */
  prefixLines: (sign: string) => void;
}

export interface TextEditorProps {
  ref?: Ref<TextEditorHandle>;
  conversationId: string;
  label: string;
  placeholder?: string;
  text: string;
  onChange: (text: string) => void;
  onSubmit: () => void;
  /** Escape, while nothing is suggested. */
  onEscape?: () => void;
  /** Up in an empty field. */
  onUp?: () => boolean;
  onFiles?: (files: File[]) => void;
}

/** A field for a message: grows with its text, completes names, sends with Enter. */
export function TextEditor(props: TextEditorProps) {
  const { text, onChange } = props;
  const t = useTranslations("composer");
  const field = useRef<HTMLTextAreaElement>(null);
  const nextCaret = useRef<[number, number] | null>(null);
  const [caret, setCaret] = useState(0);
  const [chosen, setChosen] = useState(0);
  const [dismissed, setDismissed] = useState<number | null>(null);
  const listId = useId();

  const found = triggerAt(text, caret);
  const trigger = found && found.start !== dismissed ? found : null;
  const suggestions = useSuggestions(props.conversationId, trigger);
  const open = trigger !== null && suggestions.length > 0;
  const index = Math.min(chosen, suggestions.length - 1);

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
    if (nextCaret.current && element.value === text) {
      element.setSelectionRange(...nextCaret.current);
      setCaret(nextCaret.current[1]);
      nextCaret.current = null;
    }
  }, [text]);

  const change = (next: string, from: number, to = from) => {
    nextCaret.current = [from, to];
    field.current?.focus();
    onChange(next);
  };

  useImperativeHandle(props.ref, () => {
    const selection = () => {
      const element = field.current;
      return { start: element?.selectionStart ?? text.length, end: element?.selectionEnd ?? text.length };
    };
    return {
      focusEnd() {
        field.current?.focus();
        field.current?.setSelectionRange(text.length, text.length);
      },
      insert(added) {
        const { start, end } = selection();
        change(text.slice(0, start) + added + text.slice(end), start + added.length);
      },
      wrap(before, after) {
        const { start, end } = selection();
        const next = text.slice(0, start) + before + text.slice(start, end) + after + text.slice(end);
        change(next, start + before.length, end + before.length);
      },
      prefixLines(sign) {
        const { start, end } = selection();
        const from = text.lastIndexOf("\n", start - 1) + 1;
        const lines = text.slice(from, end).split("\n");
        const changed = lines.map((line) => sign + line).join("\n");
        change(text.slice(0, from) + changed + text.slice(end), from + changed.length);
      },
    };
  });

  const accept = (suggestion: Suggestion) => {
    if (!trigger) return;
    const done = complete(text, caret, trigger, suggestion.text);
    setChosen(0);
    change(done.text, done.caret);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.nativeEvent.isComposing) return;
    const suggestion = suggestions[index];
    if (open && suggestion) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) setChosen((index + step + suggestions.length) % suggestions.length);
      else if (event.key === "Enter" || event.key === "Tab") accept(suggestion);
      else if (event.key === "Escape") setDismissed(trigger?.start ?? null);
      else return;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      props.onSubmit();
    } else if (event.key === "Escape" && props.onEscape) {
      event.stopPropagation();
      props.onEscape();
    } else if (event.key === "ArrowUp" && text === "" && props.onUp?.()) {
      event.preventDefault();
    }
  };

  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    // Office programs put a picture of what is copied beside its text: the text is what is meant.
    if (files.length === 0 || event.clipboardData.types.includes("text/plain") || !props.onFiles) return;
    event.preventDefault();
    props.onFiles(files);
  };

  const track = () => setCaret(field.current?.selectionStart ?? 0);
  return (
    <div className="relative min-w-0 flex-1">
      <textarea
        ref={field}
        rows={1}
        dir="auto"
        value={text}
        aria-label={props.label}
        placeholder={props.placeholder}
        aria-autocomplete="list"
        aria-controls={open ? listId : undefined}
        aria-activedescendant={open ? `${listId}-${index}` : undefined}
        onChange={(event) => {
          onChange(event.target.value);
          setChosen(0);
          setDismissed(null);
          track();
        }}
        onSelect={track}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onBlur={() => setDismissed(found?.start ?? null)}
        className="block max-h-[40dvh] w-full resize-none overflow-y-auto bg-transparent text-start outline-none placeholder:text-text-3"
      />
      {open && trigger && (
        <Suggestions id={listId} label={t("suggestions")} items={suggestions} chosen={index} onChoose={accept} />
      )}
      <span role="status" className="sr-only">
        {open ? t("suggested", { count: suggestions.length }) : ""}
      </span>
    </div>
  );
}
