"use client";

import { SearchX, UserRound } from "lucide-react";
import { useState } from "react";
import { useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import { Button } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { Input } from "@/ui/field";
import { SkeletonRows } from "@/ui/skeleton";
import { Tabs } from "@/ui/tabs";
import { Failed } from "../common/failed";
import { LoadMore } from "../common/load-more";
import { ScreenHeader } from "../common/screen-header";
import { useAttempt } from "../common/use-attempt";
import { PersonLine } from "./person-line";
import { type Contact, useContactActions, useContacts } from "./use-contacts";
import { usePersonSearch } from "./use-person-search";
import { useWriteTo } from "./use-write-to";

type Tab = "everybody" | "contacts" | "requests" | "blocked";

/** The directory of people, and how one stands with them. */
export default function PeopleScreen() {
  const t = useTranslations("people");
  const [tab, setTab] = useState<Tab>("everybody");
  return (
    <>
      <ScreenHeader title={t("title")} />
      <Tabs
        label={t("title")}
        value={tab}
        onChange={setTab}
        tabs={(["everybody", "contacts", "requests", "blocked"] as const).map((value) => ({ value, label: t(value) }))}
      >
        {tab === "everybody" ? <Everybody /> : <Contacts kind={tab} />}
      </Tabs>
    </>
  );
}

function Everybody() {
  const t = useTranslations("people");
  const common = useTranslations("common");
  const me = useMe();
  const writeTo = useWriteTo();
  const [query, setQuery] = useState("");
  const search = usePersonSearch(query);
  const people = search.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="mx-auto flex w-full max-w-3xl flex-col gap-2 p-4">
      <Input
        type="search"
        dir="auto"
        aria-label={t("find")}
        placeholder={t("find")}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      {query.trim() === "" ? (
        <EmptyState icon={UserRound} title={t("find")} text={t("noneText")} />
      ) : search.isPending ? (
        <SkeletonRows label={common("loading")} />
      ) : search.error ? (
        <Failed error={search.error} onRetry={search.refetch} />
      ) : people.length === 0 ? (
        <EmptyState icon={SearchX} title={t("none")} text={t("noneText")} />
      ) : (
        <ul>
          {people.map((person) => (
            <PersonLine key={person.id} person={person}>
              {person.id !== me.id && (
                <Button
                  size="sm"
                  aria-label={t("writeTo", { name: person.display_name })}
                  onClick={() => void writeTo(person.id)}
                >
                  {t("write")}
                </Button>
              )}
            </PersonLine>
          ))}
        </ul>
      )}
      <LoadMore {...search} />
    </div>
  );
}

const KINDS: Record<Exclude<Tab, "everybody">, Contact["state"]> = {
  contacts: "accepted",
  requests: "requested",
  blocked: "blocked",
};

function Contacts({ kind }: { kind: Exclude<Tab, "everybody"> }) {
  const t = useTranslations("people");
  const common = useTranslations("common");
  const contacts = useContacts();
  if (contacts.isPending) return <SkeletonRows label={common("loading")} />;
  if (contacts.error) return <Failed error={contacts.error} onRetry={contacts.refetch} />;
  const shown = contacts.data.filter((contact) => contact.state === KINDS[kind]);
  if (shown.length === 0) {
    return kind === "contacts" ? (
      <EmptyState icon={UserRound} title={t("noContacts")} text={t("noContactsText")} />
    ) : (
      <EmptyState icon={UserRound} title={t(kind === "requests" ? "noRequests" : "noBlocked")} />
    );
  }
  return (
    <ul className="mx-auto w-full max-w-3xl p-4">
      {shown.map((contact) => (
        <ContactLine key={contact.user.id} contact={contact} />
      ))}
    </ul>
  );
}

function ContactLine({ contact }: { contact: Contact }) {
  const t = useTranslations("people");
  const { accept, end } = useContactActions();
  const writeTo = useWriteTo();
  const attempt = useAttempt();
  const { user, state, incoming } = contact;
  const requested = state === "requested";
  return (
    <PersonLine
      person={user}
      presence={state !== "blocked"}
      {...(requested ? { detail: t(incoming ? "incoming" : "outgoing") } : {})}
    >
      {state === "accepted" && (
        <Button size="sm" aria-label={t("writeTo", { name: user.display_name })} onClick={() => void writeTo(user.id)}>
          {t("write")}
        </Button>
      )}
      {requested && incoming && (
        <Button size="sm" variant="primary" onClick={() => void attempt(() => accept(user.id))}>
          {t("accept")}
        </Button>
      )}
      {state !== "accepted" && (
        <Button size="sm" onClick={() => void attempt(() => end(user.id))}>
          {t(requested ? (incoming ? "decline" : "withdraw") : "unblock")}
        </Button>
      )}
    </PersonLine>
  );
}
