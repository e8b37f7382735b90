"use client";

import { useState } from "react";
import { useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import type { Conversation } from "@/core/types";
import { Tabs } from "@/ui/tabs";
import { DetailsNotifications } from "./details-notifications";
import { DetailsSettings } from "./details-settings";
import { MemberList } from "./member-list";
import { PaneHeader } from "./pane-header";
import { permissionsIn } from "./permissions";

type Tab = "members" | "notifications" | "settings";

/** Who is in a conversation, what one is told of it, and how it is set up. */
export default function DetailsPane(props: { conversation: Conversation; name: string; onClose: () => void }) {
  const t = useTranslations("conversation");
  const { conversation, name } = props;
  const me = useMe();
  const may = permissionsIn(conversation, me);
  const [tab, setTab] = useState<Tab>("members");
  return (
    <section aria-label={t("detailsOf", { name })} className="flex min-h-0 flex-1 flex-col">
      <PaneHeader title={t("details")} onClose={props.onClose} />
      {conversation.topic && (
        <p dir="auto" className="whitespace-pre-line px-4 pt-3 pb-1 text-text-2">
          {conversation.topic}
        </p>
      )}
      <Tabs
        label={t("detailsOf", { name })}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "members", label: t("membersTitle") },
          { value: "notifications", label: t("notifications") },
          { value: "settings", label: t("settings") },
        ]}
      >
        {tab === "members" ? (
          <MemberList conversation={conversation} name={name} may={may} />
        ) : tab === "notifications" ? (
          <DetailsNotifications conversation={conversation} />
        ) : (
          <DetailsSettings conversation={conversation} name={name} may={may} />
        )}
      </Tabs>
    </section>
  );
}
