/** The core as React sees it. Each hook renders again only when what it gives has changed. */

export type { MessageActions } from "../changes";
export type { ConversationActions, ConversationChanges, NewConversation } from "../conversations";
export type { SendContent } from "../outbox";
export type { TimelineActions } from "../timelines";
export type { UploadActions } from "../uploads";
export { useConnection, useRetryNow } from "./connection";
export {
  useConversation,
  useConversationActions,
  useConversations,
  useFavourites,
  useTotals,
} from "./conversations";
export { useDownload, useFileUrl } from "./files";
export { useMessageActions, useSeenBy } from "./messages";
export { useConversationNotifications, useNotificationPreferences } from "./notifications";
export { personQuery, useFollowers, usePerson, usePins, useVersions } from "./people";
export { useMyPresence, usePresence, useTyping, useTypingNotice } from "./presence";
export { CoreProvider, useApi } from "./provider";
export { useReadMark } from "./reads";
export { useSearch } from "./search";
export { useMe, useSession, useSessionActions } from "./session";
export { useComposer, useDraft, useDrafted, useTimeline, useTimelineActions } from "./timeline";
export { useUploads } from "./uploads";
