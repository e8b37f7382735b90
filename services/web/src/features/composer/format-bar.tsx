"use client";

import { Bold, Code, Italic, List, Quote, Strikethrough } from "lucide-react";
import { Toolbar } from "radix-ui";
import type { RefObject } from "react";
import { useTranslations } from "use-intl";
import { IconButton } from "@/ui/icon-button";
import type { TextEditorHandle } from "./text-editor";

/** Puts the signs of Markdown for those who do not know them. Arrow keys go along it. */
export function FormatBar({ editor }: { editor: RefObject<TextEditorHandle | null> }) {
  const t = useTranslations("composer");
  const tools = [
    { icon: Bold, name: "bold", run: () => editor.current?.wrap("**", "**") },
    { icon: Italic, name: "italic", run: () => editor.current?.wrap("_", "_") },
    { icon: Strikethrough, name: "strike", run: () => editor.current?.wrap("~~", "~~") },
    { icon: Code, name: "code", run: () => editor.current?.wrap("`", "`") },
    { icon: Quote, name: "quote", run: () => editor.current?.prefixLines("> ") },
    { icon: List, name: "list", run: () => editor.current?.prefixLines("- ") },
  ] as const;
  return (
    <Toolbar.Root aria-label={t("format")} className="hidden items-center gap-0.5 border-line border-s ps-1 @md:flex">
      {tools.map(({ icon, name, run }) => (
        <Toolbar.Button key={name} asChild>
          <IconButton icon={icon} label={t(name)} onClick={run} onPointerDown={(event) => event.preventDefault()} />
        </Toolbar.Button>
      ))}
    </Toolbar.Root>
  );
}
