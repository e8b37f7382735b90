"use client";

import { Eraser, KeyRound, ScrollText, Users } from "lucide-react";
import { useTranslations } from "use-intl";
import { useMe } from "@/core/react";
import { ScreenHeader } from "../common/screen-header";
import { Sections } from "../common/sections";
import { Nowhere } from "../shell/nowhere";
import { AdminCalls, AdminEvents } from "./audits";
import { Erasures } from "./erasures";
import { Users as UserList } from "./users";

const SECTIONS = {
  users: [Users, UserList],
  audit: [KeyRound, AdminEvents],
  requests: [ScrollText, AdminCalls],
  erasures: [Eraser, Erasures],
} as const;

function isSection(name: string): name is keyof typeof SECTIONS {
  return Object.hasOwn(SECTIONS, name);
}

/** For those who look after the platform. */
export default function AdministrationScreen({ section }: { section: string | null }) {
  const t = useTranslations("admin");
  const shell = useTranslations("shell");
  const { role } = useMe();
  const here = section ?? "users";
  if (role !== "admin" || !isSection(here)) return <Nowhere />;
  const [, Section] = SECTIONS[here];
  return (
    <>
      <ScreenHeader title={shell("administration")} />
      <Sections
        label={shell("administration")}
        here={here}
        sections={(Object.keys(SECTIONS) as (keyof typeof SECTIONS)[]).map((key) => ({
          key,
          href: `/administration/${key}`,
          label: t(key),
          icon: SECTIONS[key][0],
        }))}
      >
        <h2 className="mb-4 font-semibold text-xl">{t(here)}</h2>
        <Section />
      </Sections>
    </>
  );
}
