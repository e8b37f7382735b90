"use client";

import { Hash, MessagesSquare, Plus, Search, Users } from "lucide-react";
import { useMemo, useState } from "react";
import { useTranslations } from "use-intl";
import { useConversations, useFavourites } from "@/core/react";
import { Banner } from "@/ui/banner";
import { buttonClass } from "@/ui/button";
import { EmptyState } from "@/ui/empty-state";
import { IconButton } from "@/ui/icon-button";
import { Keys } from "@/ui/keys";
import { Menu, MenuItem, MenuSeparator } from "@/ui/menu";
import { SkeletonRows } from "@/ui/skeleton";
import { openOverlay } from "../common/overlay";
import { useProblemText } from "../common/problem-text";
import { AppLink, navigate, useRoute } from "../navigation/navigation";
import { sectionsOf, toggled } from "./sections";
import { SidebarSection } from "./sidebar-section";
import { YouMenu } from "./you-menu";

/** The person's conversations, and the ways to more of them. */
export function Sidebar() {
  const t = useTranslations("shell");
  return (
    <nav
      aria-label={t("sidebar")}
      data-region
      tabIndex={-1}
      className="flex min-h-0 flex-1 flex-col border-line border-e bg-surface"
    >
      <header className="flex h-14 shrink-0 items-center gap-1 px-3">
        <YouMenu />
        <div className="flex-1" />
        <NewMenu />
      </header>
      <div className="flex flex-col gap-1 px-3 pb-2">
        <button
          type="button"
          onClick={() => openOverlay({ kind: "switcher" })}
          className="flex h-9 items-center gap-2 rounded-md border border-line-strong bg-canvas px-2.5 text-start text-text-3 hover:bg-hover"
        >
          <Search aria-hidden className="size-4" />
          <span className="flex-1">{t("switcher")}</span>
          <span className="hidden md:inline">
            <Keys of="Ctrl+K" />
          </span>
        </button>
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        <Shortcut href="/search" icon={Search} label={t("search")} />
        <Shortcut href="/people" icon={Users} label={t("people")} />
        <Shortcut href="/channels" icon={Hash} label={t("browseChannels")} />
        <Conversations />
      </div>
    </nav>
  );
}

function Shortcut({ href, icon: Icon, label }: { href: string; icon: typeof Search; label: string }) {
  const route = useRoute();
  const here = `/${route.screen}` === href;
  return (
    <AppLink
      href={href}
      aria-current={here ? "page" : undefined}
      className="flex h-9 items-center gap-2.5 rounded-md px-2 text-text-2 -outline-offset-2 hover:bg-hover aria-[current]:bg-accent-soft aria-[current]:text-text md:h-8"
    >
      <span className="inline-flex size-6 items-center justify-center">
        <Icon aria-hidden className="size-4" />
      </span>
      {label}
    </AppLink>
  );
}

function Conversations() {
  const t = useTranslations("shell");
  const common = useTranslations("common");
  const { status, problem, items } = useConversations();
  const favourites = useFavourites();
  const problemText = useProblemText();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const sections = useMemo(() => sectionsOf(items, favourites.ids), [items, favourites.ids]);

  if (status === "loading") return <SkeletonRows label={common("loading")} />;
  const failed = status === "failed" && (
    <div className="p-2">
      <Banner tone="warn">{problemText(problem)}</Banner>
    </div>
  );
  if (items.length === 0) {
    return (
      failed || (
        <EmptyState icon={MessagesSquare} title={t("noneTitle")} text={t("noneText")}>
          <AppLink href="/channels" className={buttonClass("secondary", "sm")}>
            {t("browseChannels")}
          </AppLink>
        </EmptyState>
      )
    );
  }
  return (
    <>
      {failed}
      {sections.map((section) => (
        <SidebarSection
          key={section.name}
          section={section}
          open={!closed.has(section.name)}
          onToggle={() => setClosed((before) => toggled(before, section.name))}
        />
      ))}
    </>
  );
}

function NewMenu() {
  const t = useTranslations("shell");
  return (
    <Menu trigger={<IconButton icon={Plus} label={t("new")} />}>
      <MenuItem onSelect={() => navigate("/people")}>{t("newDirect")}</MenuItem>
      <MenuItem onSelect={() => openOverlay({ kind: "new-conversation", type: "group" })}>{t("newGroup")}</MenuItem>
      <MenuItem onSelect={() => openOverlay({ kind: "new-conversation", type: "channel" })}>{t("newChannel")}</MenuItem>
      <MenuSeparator />
      <MenuItem onSelect={() => navigate("/channels")}>{t("browseChannels")}</MenuItem>
    </Menu>
  );
}
