"use client";

import { X } from "lucide-react";
import { useState } from "react";
import { useTranslations } from "use-intl";
import type { Person } from "@/core/types";
import { Avatar } from "@/ui/avatar";
import { Field, Input } from "@/ui/field";
import { usePersonSearch } from "./use-person-search";

/** Chooses people by name, `most` of them; those in `without` are not offered. */
export function PersonChooser(props: {
  label?: string;
  most?: number;
  chosen: readonly Person[];
  onChange: (chosen: Person[]) => void;
  without: ReadonlySet<string>;
}) {
  const t = useTranslations("conversation");
  const people = useTranslations("people");
  const [query, setQuery] = useState("");
  const { data } = usePersonSearch(query);
  const { chosen, onChange } = props;
  const taken = new Set([...props.without, ...chosen.map((person) => person.id)]);
  const found = (data?.pages ?? []).flatMap((page) => page.items).filter((person) => !taken.has(person.id));
  const choose = (person: Person) => {
    onChange([...chosen, person].slice(-(props.most ?? Number.POSITIVE_INFINITY)));
    setQuery("");
  };
  return (
    <div className="flex flex-col gap-2">
      <Field label={props.label ?? t("choosePeople")}>
        <Input type="search" dir="auto" value={query} onChange={(event) => setQuery(event.target.value)} />
      </Field>
      {chosen.length > 0 && (
        <ul className="flex flex-wrap gap-1.5">
          {chosen.map((person) => (
            <li
              key={person.id}
              className="inline-flex h-8 items-center gap-1.5 rounded-full bg-accent-soft ps-1 pe-1 text-sm"
            >
              <Avatar id={person.id} name={person.display_name} url={person.avatar_url} size="xs" />
              <span dir="auto">{person.display_name}</span>
              <button
                type="button"
                aria-label={t("unchoose", { name: person.display_name })}
                onClick={() => onChange(chosen.filter((one) => one.id !== person.id))}
                className="inline-flex size-6 items-center justify-center rounded-full hover:bg-hover"
              >
                <X aria-hidden className="size-3.5" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {query.trim() !== "" && (
        <ul className="max-h-56 overflow-y-auto rounded-md border border-line">
          {found.map((person) => (
            <li key={person.id}>
              <button
                type="button"
                onClick={() => choose(person)}
                className="flex h-11 w-full items-center gap-2.5 px-2.5 text-start -outline-offset-2 hover:bg-hover"
              >
                <Avatar id={person.id} name={person.display_name} url={person.avatar_url} size="sm" />
                <span dir="auto" className="truncate font-medium">
                  {person.display_name}
                </span>
                <span className="truncate text-sm text-text-3">@{person.username}</span>
              </button>
            </li>
          ))}
          {data && found.length === 0 && <li className="p-3 text-center text-text-3">{people("none")}</li>}
        </ul>
      )}
    </div>
  );
}
