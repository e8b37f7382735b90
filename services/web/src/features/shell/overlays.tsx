"use client";

import dynamic from "next/dynamic";
import { closeOverlay, useOverlay } from "../common/overlay";

const Switcher = dynamic(() => import("../switcher/switcher"), { ssr: false });
const Shortcuts = dynamic(() => import("../shortcuts/shortcuts-dialog"), { ssr: false });
const Status = dynamic(() => import("../people/status-dialog"), { ssr: false });
const NewConversation = dynamic(() => import("../conversation/new-conversation-dialog"), { ssr: false });
const AddPeople = dynamic(() => import("../conversation/add-people-dialog"), { ssr: false });
const Profile = dynamic(() => import("../people/profile-dialog"), { ssr: false });
const Report = dynamic(() => import("../timeline/report-dialog"), { ssr: false });
const History = dynamic(() => import("../timeline/history-dialog"), { ssr: false });
const Seen = dynamic(() => import("../timeline/seen-dialog"), { ssr: false });
const Delete = dynamic(() => import("../timeline/delete-dialog"), { ssr: false });
const Pictures = dynamic(() => import("../files/pictures-dialog"), { ssr: false });

/** What lies over the screen, each loaded when it is first wanted. */
export function Overlays() {
  const overlay = useOverlay((state) => state.overlay);
  switch (overlay?.kind) {
    case "switcher":
      return <Switcher onClose={closeOverlay} />;
    case "shortcuts":
      return <Shortcuts onClose={closeOverlay} />;
    case "status":
      return <Status onClose={closeOverlay} />;
    case "new-conversation":
      return <NewConversation type={overlay.type} onClose={closeOverlay} />;
    case "add-people":
      return <AddPeople conversationId={overlay.conversationId} onClose={closeOverlay} />;
    case "profile":
      return <Profile userId={overlay.userId} onClose={closeOverlay} />;
    case "report":
      return <Report message={overlay.message} onClose={closeOverlay} />;
    case "history":
      return <History message={overlay.message} onClose={closeOverlay} />;
    case "seen":
      return <Seen message={overlay.message} onClose={closeOverlay} />;
    case "delete":
      return <Delete message={overlay.message} onClose={closeOverlay} />;
    case "pictures":
      return <Pictures attachments={overlay.attachments} start={overlay.start} onClose={closeOverlay} />;
    case undefined:
      return null;
  }
}
