"use client";

import { clsx } from "clsx";
import { useTranslations } from "use-intl";
import { ConnectionBanner } from "../connection/connection-banner";
import { useRoute } from "../navigation/navigation";
import { usePushed } from "../navigation/use-pushed";
import { useShortcuts } from "../shortcuts/use-shortcuts";
import { Overlays } from "./overlays";
import { Screen } from "./screen";
import { Sidebar } from "./sidebar";
import { useTitle } from "./use-title";

/** The app: the list of conversations, and the screen beside it. On a phone one of the two is seen. */
export default function App() {
  const t = useTranslations("common");
  const route = useRoute();
  useTitle();
  useShortcuts();
  usePushed();
  const home = route.screen === "home";
  return (
    <div className="flex h-dvh flex-col overflow-hidden">
      <a
        href="#screen"
        className="sr-only z-50 rounded-md bg-raised px-3 py-2 focus:not-sr-only focus:absolute focus:start-2 focus:top-2"
      >
        {t("skip")}
      </a>
      <main className="flex min-h-0 flex-1 flex-col">
        <ConnectionBanner />
        <div className="flex min-h-0 flex-1">
          <div className={clsx("w-full shrink-0 md:flex md:w-72", home ? "flex" : "hidden")}>
            {home && <h1 className="sr-only md:hidden">ChatCluster</h1>}
            <Sidebar />
          </div>
          <div
            id="screen"
            tabIndex={-1}
            data-region
            className={clsx("min-w-0 flex-1 flex-col bg-canvas outline-none md:flex", home ? "hidden" : "flex")}
          >
            <Screen route={route} />
          </div>
        </div>
      </main>
      <Overlays />
    </div>
  );
}
