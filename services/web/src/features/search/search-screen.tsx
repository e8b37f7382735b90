"use client";

import { SearchX, TextSearch } from "lucide-react";
import { type FormEvent, useEffect, useMemo, useRef, useState } from "react";
import { useTranslations } from "use-intl";
import { useConversation, useConversations, usePerson, useSearch } from "@/core/react";
import type { Conversation, Message } from "@/core/types";
import { Banner } from "@/ui/banner";
import { Button } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { Checkbox, Field, Input, Select } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { ScreenHeader } from "../common/screen-header";
import { useConversationName } from "../conversation/use-conversation-name";
import { navigate } from "../navigation/navigation";
import { PersonChooser } from "../people/person-chooser";
import { MessageCard } from "../timeline/message-card";
import { filtersOf, formOf, type SearchForm, searchPath } from "./filters";

/** Looks for messages. What is looked for is in the address: back and forth work, and it can be kept. */
export default function SearchScreen({ query }: { query: URLSearchParams }) {
  const t = useTranslations("search");
  const form = useMemo(() => formOf(query), [query]);
  return (
    <>
      <ScreenHeader title={t("title")} />
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto flex w-full max-w-3xl flex-col gap-4 p-4">
          <search>
            <SearchFields key={query.toString()} asked={form} />
          </search>
          <Results form={form} />
        </div>
      </div>
    </>
  );
}

function SearchFields({ asked }: { asked: SearchForm }) {
  const t = useTranslations("search");
  const { items } = useConversations();
  const from = usePerson(asked.from || null);
  const [form, setForm] = useState(asked);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const set = (changes: Partial<SearchForm>) => setForm((before) => ({ ...before, ...changes }));
  /** A filter counts at once; words count with Enter. */
  const filter = (changes: Partial<SearchForm>) => {
    set(changes);
    navigate(searchPath({ ...form, ...changes }), "replace");
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    navigate(searchPath(form));
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      <div className="flex items-end gap-2">
        <div className="flex-1">
          <Field label={t("query")} hint={t("hint")}>
            <Input
              ref={field}
              type="search"
              dir="auto"
              value={form.query}
              onChange={(event) => set({ query: event.target.value })}
            />
          </Field>
        </div>
        <Button type="submit" variant="primary" className="mb-6">
          {t("title")}
        </Button>
      </div>
      <fieldset className="grid grid-cols-2 gap-3 sm:grid-cols-4">
        <legend className="sr-only">{t("filters")}</legend>
        <div className="col-span-2">
          <Field label={t("where")}>
            <Select value={form.conversationId} onChange={(event) => filter({ conversationId: event.target.value })}>
              <option value="">{t("everywhere")}</option>
              {items.map((item) => (
                <ConversationOption key={item.id} conversation={item} />
              ))}
            </Select>
          </Field>
        </div>
        <Field label={t("after")}>
          <Input type="date" value={form.after} onChange={(event) => filter({ after: event.target.value })} />
        </Field>
        <Field label={t("before")}>
          <Input type="date" value={form.before} onChange={(event) => filter({ before: event.target.value })} />
        </Field>
        <div className="col-span-2 sm:col-span-3">
          <PersonChooser
            label={t("from")}
            most={1}
            chosen={from ? [from] : []}
            onChange={(people) => filter({ from: people.at(-1)?.id ?? "" })}
            without={NOBODY}
          />
        </div>
        <div className="col-span-2 pt-6 sm:col-span-1">
          <Checkbox label={t("hasFile")} checked={form.hasFile} onChange={(hasFile) => filter({ hasFile })} />
        </div>
      </fieldset>
    </form>
  );
}

const NOBODY: ReadonlySet<string> = new Set();

function ConversationOption({ conversation }: { conversation: Conversation }) {
  const name = useConversationName(conversation);
  return <option value={conversation.id}>{name}</option>;
}

function Results({ form }: { form: SearchForm }) {
  const t = useTranslations("search");
  const common = useTranslations("common");
  const search = useSearch(filtersOf(form));
  if (form.query.trim() === "") return <EmptyState icon={TextSearch} title={t("start")} text={t("startText")} />;
  if (search.isPending) return <SkeletonRows label={common("loading")} />;
  if (search.error) return <Failed error={search.error} onRetry={search.refetch} />;
  const found = search.data.pages.flatMap((page) => page.items);
  if (found.length === 0) return <EmptyState icon={SearchX} title={t("none")} text={t("noneText")} />;
  const limited = search.data.pages.some((page) => page.limited);
  return (
    <section aria-label={t("title")}>
      <p role="status" className="px-3 pb-1 text-sm text-text-3">
        {t("results", { count: found.length })}
      </p>
      {limited && <Banner tone="info">{t("limited")}</Banner>}
      {found.map((message) => (
        <Result key={message.id} message={message} />
      ))}
      <LoadMore {...search} />
    </section>
  );
}

function Result({ message }: { message: Message }) {
  const conversation = useConversation(message.conversation_id);
  const name = useConversationName(conversation);
  return (
    <MessageCard
      message={message}
      above={
        <p dir="auto" className="truncate text-text-3 text-xs">
          {name}
        </p>
      }
    />
  );
}
