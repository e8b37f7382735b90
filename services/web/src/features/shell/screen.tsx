"use client";

import dynamic from "next/dynamic";
import { useTranslations } from "use-intl";
import { SkeletonRows } from "@/ui/skeleton";
import { ConversationScreen } from "../conversation/conversation-screen";
import type { Route } from "../navigation/routes";
import { Home } from "./home";
import { Nowhere } from "./nowhere";

const People = dynamic(() => import("../people/people-screen"), { ssr: false, loading: Loading });
const Channels = dynamic(() => import("../channels/channels-screen"), { ssr: false, loading: Loading });
const Search = dynamic(() => import("../search/search-screen"), { ssr: false, loading: Loading });
const Settings = dynamic(() => import("../settings/settings-screen"), { ssr: false, loading: Loading });
const Moderation = dynamic(() => import("../moderation/moderation-screen"), { ssr: false, loading: Loading });
const Administration = dynamic(() => import("../administration/administration-screen"), {
  ssr: false,
  loading: Loading,
});

/** The screen that the address names. */
export function Screen({ route }: { route: Route }) {
  switch (route.screen) {
    case "home":
      return <Home />;
    case "conversation":
      return <ConversationScreen key={route.id} route={route} />;
    case "people":
      return <People />;
    case "channels":
      return <Channels />;
    case "search":
      return <Search query={route.query} />;
    case "settings":
      return <Settings section={route.section} />;
    case "moderation":
      return <Moderation section={route.section} />;
    case "administration":
      return <Administration section={route.section} />;
    case "nowhere":
      return <Nowhere />;
  }
}

function Loading() {
  const t = useTranslations("common");
  return <SkeletonRows label={t("loading")} />;
}
